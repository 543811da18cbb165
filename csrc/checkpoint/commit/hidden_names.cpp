#include "checkpoint/commit/hidden_names.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdint>
#include <random>

#include "checkpoint/names/paths.h"

namespace lamina::checkpoint {
namespace {

constexpr std::string_view kLock = ".lock", kRecord = ".recovery";
constexpr std::string_view kFileEnd = "weights.h5", kArchiveEnd = ".keras";
constexpr std::string_view kIndexEnd = "weights.json";
constexpr std::size_t kHexDigits = 16;
constexpr std::size_t kKept = 150;  // of a name in its stand-in: what comes behind has room

/// NAME for ".NAME" + `end`.
std::string_view between_dot_and(std::string_view end, std::string_view name) {
  if (!name.starts_with('.') || !name.ends_with(end) || name.size() <= 1 + end.size()) return {};
  return name.substr(1, name.size() - 1 - end.size());
}

/// "_00002.weights.h5" of a shard's name, or of its stand-in; empty for other files.
std::string_view shard_end(std::string_view file) {
  const std::size_t at = file.rfind('_');
  if (at == file.npos || !is_shard_name(file, file.substr(0, at))) return {};
  return file.substr(at);
}

/// By what one sees whose the stand-in is.
std::string_view end_of_kind(std::string_view file) {
  if (const std::string_view end = shard_end(file); !end.empty()) return end;
  for (const std::string_view end : {kFileEnd, kArchiveEnd, kIndexEnd}) {
    if (file.ends_with(end)) return end;
  }
  return {};
}

/// FNV-1a.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

/// Not more than `most` bytes, which end with a whole character where the text is UTF-8.
std::string_view beginning(std::string_view text, std::size_t most) {
  const auto continues = [&](std::size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
  };
  std::size_t size = most;
  while (size + 3 > most && continues(size)) --size;
  return text.substr(0, continues(size) ? most : size);
}

/// A place has one name in both of its hidden files.
std::filesystem::path beside(const CheckpointPlace& place, std::string_view end) {
  const bool fits = place.name.size() + 1 + kRecord.size() <= kLongestName;
  return place.directory / fmt::format(".{}{}", fits ? place.name : stand_in(place.name), end);
}

bool all_of(std::string_view text, std::string_view allowed) {
  return text.find_first_not_of(allowed) == text.npos;
}

}  // namespace

CheckpointPlace::CheckpointPlace(const std::filesystem::path& checkpoint)
    : directory(checkpoint.has_parent_path() ? checkpoint.parent_path() : "."),
      name(checkpoint.filename().string()) {}

std::filesystem::path CheckpointPlace::lock() const {
  return beside(*this, kLock);
}

std::filesystem::path CheckpointPlace::record() const {
  return beside(*this, kRecord);
}

std::string record_file(const std::string& name) {
  return CheckpointPlace(name).record().filename().string().substr(1);
}

std::string stand_in(const std::string& file) {
  return fmt::format("{}~{:016x}{}", beginning(file, kKept), hash_of(file), end_of_kind(file));
}

bool is_stand_in(std::string_view name) {
  const std::size_t end = name.size() - end_of_kind(name).size();
  const std::size_t shortest = kKept - 3 + 1 + kHexDigits;
  return end >= shortest && name[end - kHexDigits - 1] == '~' &&
         all_of(name.substr(end - kHexDigits, kHexDigits), "0123456789abcdef");
}

std::string hidden_name(const std::string& file, const std::string& save, HiddenCopy copy) {
  const std::string end = fmt::format(".{}.{}", save, copy == HiddenCopy::kNew ? "new" : "old");
  const bool fits = file.size() + 1 + end.size() <= kLongestName;
  return fmt::format(".{}{}", fits ? file : stand_in(file), end);
}

std::string make_save_name() {
  std::random_device device;
  return fmt::format("{}-{:08x}{:08x}", ::getpid(), device(), device());
}

bool is_save_name(std::string_view text) {
  const std::size_t dash = text.find('-');
  return dash != text.npos && dash > 0 && dash < 20 && all_of(text.substr(0, dash), "0123456789") &&
         text.size() - dash - 1 == kHexDigits && all_of(text.substr(dash + 1), "0123456789abcdef");
}

std::optional<HiddenName> parse_hidden_name(std::string_view name) {
  std::string_view inner = between_dot_and(".new", name);
  if (inner.empty()) inner = between_dot_and(".old", name);
  const std::size_t dot = inner.rfind('.');
  if (dot == inner.npos || dot == 0 || !is_save_name(inner.substr(dot + 1))) return {};
  return HiddenName{inner.substr(0, dot), inner.substr(dot + 1)};
}

std::string_view any_locked_name(std::string_view name) {
  return between_dot_and(kLock, name);
}

std::string_view locked_name(std::string_view name) {
  const std::string_view locked = any_locked_name(name);
  for (const std::string_view end : {kFileEnd, kArchiveEnd, kIndexEnd}) {
    if (locked.ends_with(end)) return locked;
  }
  return {};
}

std::string_view recorded_name(std::string_view name) {
  const std::string_view recorded = between_dot_and(kRecord, name);
  return recorded.ends_with(kIndexEnd) ? recorded : std::string_view();
}

bool is_or_stands_for(std::string_view file, const std::string& name) {
  return file == name || (name.size() > kKept && file == stand_in(name));
}

bool belongs_to(std::string_view file, const std::string& name) {
  if (is_or_stands_for(file, name)) return true;
  if (!name.ends_with(".json")) return false;
  const std::string base = shard_base(name), end(shard_end(file));
  return is_shard_name(file, base) || (!end.empty() && is_or_stands_for(file, base + end)) ||
         is_or_stands_for(file, record_file(name));
}

}  // namespace lamina::checkpoint

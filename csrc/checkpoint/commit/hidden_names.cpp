#include "checkpoint/commit/hidden_names.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "checkpoint/names/paths.h"

namespace lamina::checkpoint {
namespace {

constexpr std::string_view kLock = ".lock", kRecord = ".recovery";
constexpr std::string_view kFileEnd = "weights.h5", kArchiveEnd = ".keras";
constexpr std::string_view kIndexEnd = "weights.json";
constexpr std::size_t kHexDigits = 16;

/// NAME for ".NAME" + `end`.
std::string_view between_dot_and(std::string_view end, std::string_view name) {
  if (!name.starts_with('.') || !name.ends_with(end) || name.size() <= 1 + end.size()) return {};
  return name.substr(1, name.size() - 1 - end.size());
}

bool all_of(std::string_view text, std::string_view allowed) {
  return text.find_first_not_of(allowed) == text.npos;
}

}  // namespace

CheckpointPlace::CheckpointPlace(const std::filesystem::path& checkpoint)
    : directory(checkpoint.has_parent_path() ? checkpoint.parent_path() : "."),
      name(checkpoint.filename().string()) {}

std::filesystem::path CheckpointPlace::lock() const {
  return directory / fmt::format(".{}{}", name, kLock);
}

std::filesystem::path CheckpointPlace::record() const {
  return directory / fmt::format(".{}{}", name, kRecord);
}

std::string hidden_name(const std::string& file, const std::string& save, HiddenCopy copy) {
  return fmt::format(".{}.{}.{}", file, save, copy == HiddenCopy::kNew ? "new" : "old");
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

std::string_view locked_name(std::string_view name) {
  const std::string_view locked = between_dot_and(kLock, name);
  for (const std::string_view end : {kFileEnd, kArchiveEnd, kIndexEnd}) {
    if (locked.ends_with(end)) return locked;
  }
  return {};
}

std::string_view recorded_name(std::string_view name) {
  const std::string_view recorded = between_dot_and(kRecord, name);
  return recorded.ends_with(kIndexEnd) ? recorded : std::string_view();
}

bool belongs_to(std::string_view file, const std::string& name) {
  if (file == name) return true;
  if (!name.ends_with(".json")) return false;
  return is_shard_name(file, shard_base(name)) || file == name + std::string(kRecord);
}

}  // namespace lamina::checkpoint

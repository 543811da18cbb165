#include "checkpoint/names/paths.h"

#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/log.h>

#include <algorithm>
#include <cerrno>

namespace lamina::checkpoint {
namespace {

void check_length(const std::string& name, const std::filesystem::path& given) {
  if (name.size() <= kLongestName) return;
  throw StorageError(
      fmt::format("File name too long: '{}' cannot be saved, as the name of its file '{}' has {} "
                  "bytes, and a name has at most {}.",
                  given.string(), name, name.size(), kLongestName),
      ENAMETOOLONG);
}

/// The system would see the name end there, and another file be meant.
void require_no_zero_byte(const std::string& name) {
  if (name.find('\0') == name.npos) return;
  throw ValueError(
      fmt::format("embedded null byte: no file can have such a name. Received: filepath={}\\0...",
                  name.substr(0, name.find('\0'))));
}

}  // namespace

SaveTarget save_target(const std::filesystem::path& path, std::optional<double> max_shard_size) {
  const std::string name = path.string();
  require_no_zero_byte(name);
  if (!max_shard_size) {
    if (!name.ends_with(".weights.h5")) {
      throw ValueError("The filename must end in `.weights.h5`. Received: filepath=" + name +
                       (name.ends_with("weights.json")
                            ? ". To save shards and their index, give `max_shard_size` "
                              "(`--max-shard-size` of the command)."
                            : ""));
    }
    return {path, false};
  }
  if (!name.ends_with("weights.h5") && !name.ends_with("weights.json")) {
    throw ValueError(
        "The filename must end in `.weights.json` when `max_shard_size` is specified. Received: "
        "filepath=" +
        name);
  }
  std::filesystem::path index = path;
  if (path.extension() != ".json") {
    index.replace_extension(".json");
    warn("Saving sharded weights requires `*.json` as the extension. The original path: " + name +
         " will be renamed to " + index.string() + ".");
  }
  return {index, true};
}

SaveTarget archive_target(const std::filesystem::path& path) {
  const std::string name = path.string();
  require_no_zero_byte(name);
  if (name.ends_with(".keras")) return {path, false};
  throw ValueError(
      "Invalid filepath extension for saving. Please add either a `.keras` extension for the "
      "native Keras format (recommended) or a `.h5` extension. Received: filepath=" +
      name + ". Lamina saves models as `.keras` files, and their weights by `save_weights`.");
}

std::filesystem::path resolved(const std::filesystem::path& path) {
  constexpr int kMostLinks = 40;  // as Linux
  std::error_code code;
  std::filesystem::path file = path;
  for (int links = 0; std::filesystem::is_symlink(file, code); ++links) {
    const std::filesystem::path target = std::filesystem::read_symlink(file, code);
    if (code || links == kMostLinks) return path;  // whoever opens it is told why
    file = file.parent_path() / target;
  }
  if (file == path) return path;
  const std::filesystem::path whole = std::filesystem::weakly_canonical(file, code);
  return code ? file : whole;
}

std::filesystem::path from_root(const std::filesystem::path& path) {
  std::error_code code;
  std::filesystem::path absolute = std::filesystem::absolute(path, code);
  return code ? path : absolute;
}

LoadKind load_kind(const std::filesystem::path& path) {
  const std::string name = path.string();
  require_no_zero_byte(name);
  if (name.ends_with(".keras")) return LoadKind::kArchive;
  if (name.ends_with(".weights.h5")) return LoadKind::kSingle;
  // Keras wants a dot before "weights.json" here, and yet saves under names without one.
  if (name.ends_with("weights.json")) return LoadKind::kSharded;
  if (name.ends_with(".h5") || name.ends_with(".hdf5")) return LoadKind::kLegacy;
  throw ValueError(
      "File format not supported: filepath=" + name +
      ". Keras 3 only supports V3 `.keras` files, `.weights.h5` files, legacy H5 format "
      "files (`.h5` extension), or Orbax checkpoints. Lamina loads `.weights.h5` files, "
      "`.weights.json` checkpoints, and the weights of `.keras` and of legacy H5 files.");
}

std::string shard_base(const std::filesystem::path& index) {
  constexpr std::string_view kInfix = ".weights";
  std::string base = index.stem().string();
  for (std::size_t at = base.find(kInfix); at != base.npos; at = base.find(kInfix, at)) {
    base.erase(at, kInfix.size());
  }
  return base;
}

std::string shard_name(const std::string& base, std::size_t shard) {
  return fmt::format("{}_{:05}.weights.h5", base, shard);
}

void check_name_lengths(const SaveTarget& target) {
  if (!target.sharded) return check_length(resolved(target.file).filename().string(), target.file);
  check_length(target.file.filename().string(), target.file);
  check_length(shard_name(shard_base(target.file), 0), target.file);
}

bool is_shard_name(std::string_view name, std::string_view base) {
  constexpr std::string_view kEnd = ".weights.h5";
  if (!name.starts_with(base) || !name.ends_with(kEnd)) return false;
  if (name.size() < base.size() + 1 + 5 + kEnd.size() || name[base.size()] != '_') return false;
  name = name.substr(base.size() + 1);
  name.remove_suffix(kEnd.size());
  const bool digits =
      std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits && (name.size() == 5 || name.front() != '0');
}

}  // namespace lamina::checkpoint

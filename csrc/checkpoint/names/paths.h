#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace lamina::checkpoint {

/// Where a save goes.
struct SaveTarget {
  std::filesystem::path file;  ///< the `.weights.h5` or `.keras` file, or the `.json` index
  bool sharded = false;
};

/// Keras's rules for the name given to save_weights: `.weights.h5`, and with `max_shard_size` what
/// ends in `weights.json` or `weights.h5`. Throws ValueError with Keras's words; warns when a
/// sharded save is renamed to `.json`.
[[nodiscard]] SaveTarget save_target(const std::filesystem::path& path,
                                     std::optional<double> max_shard_size);

/// The same for the name of an archive that holds a model and its weights: `.keras`.
[[nodiscard]] SaveTarget archive_target(const std::filesystem::path& path);

/// What the weights are called in such an archive.
inline constexpr const char* kArchivedWeights = "model.weights.h5";

/// The file that a symbolic link stands for, which a save replaces, or makes, instead of the link.
[[nodiscard]] std::filesystem::path resolved(const std::filesystem::path& path);

/// The same path from the root, as far as that can be told: the process may change its directory
/// before the path is used.
[[nodiscard]] std::filesystem::path from_root(const std::filesystem::path& path);

enum class LoadKind { kSingle, kSharded, kArchive, kLegacy };

/// What a name given to load_weights stands for. Throws ValueError that begins with Keras's words
/// and says what can be loaded here.
[[nodiscard]] LoadKind load_kind(const std::filesystem::path& path);

/// "model" for "dir/model.weights.json".
[[nodiscard]] std::string shard_base(const std::filesystem::path& index);

/// "model_00002.weights.h5".
[[nodiscard]] std::string shard_name(const std::string& base, std::size_t shard);

/// What file systems take at most for a file's name, in bytes (NAME_MAX).
inline constexpr std::size_t kLongestName = 255;

/// Throws StorageError (ENAMETOOLONG) for a file, or a first shard, whose name no directory takes.
void check_name_lengths(const SaveTarget& target);

/// True for the names that `shard_name(base, i)` gives.
[[nodiscard]] bool is_shard_name(std::string_view name, std::string_view base);

}  // namespace lamina::checkpoint

#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace lamina::checkpoint {

/// A directory and the name of a checkpoint in it: the single file, or the index.
struct CheckpointPlace {
  explicit CheckpointPlace(const std::filesystem::path& checkpoint);

  [[nodiscard]] std::filesystem::path at(const std::string& file) const { return directory / file; }
  /// ".NAME.lock": held by whoever saves or recovers.
  [[nodiscard]] std::filesystem::path lock() const;
  /// ".NAME.recovery".
  [[nodiscard]] std::filesystem::path record() const;

  std::filesystem::path directory;  ///< never empty
  std::string name;
};

/// What a save's hidden copy of a file is: the file to come, or the one that was there before.
enum class HiddenCopy { kNew, kOld };

/// ".FILE.SAVE.new" and ".FILE.SAVE.old".
[[nodiscard]] std::string hidden_name(const std::string& file, const std::string& save,
                                      HiddenCopy copy);

/// The id of a save, unlike any other's: "PID-" and 16 hexadecimal digits.
[[nodiscard]] std::string make_save_name();
[[nodiscard]] bool is_save_name(std::string_view text);

/// What a hidden name says; both parts point into it.
struct HiddenName {
  std::string_view file;
  std::string_view save;
};

/// Empty for every name that `hidden_name` does not make.
[[nodiscard]] std::optional<HiddenName> parse_hidden_name(std::string_view name);

/// NAME for ".NAME.lock" and ".NAME.recovery", where NAME is one that a checkpoint, or an index,
/// can be asked to have; empty for other names: what others call so is theirs.
[[nodiscard]] std::string_view locked_name(std::string_view name);
[[nodiscard]] std::string_view recorded_name(std::string_view name);

/// True when a save of the checkpoint `name` may write or remove the file.
[[nodiscard]] bool belongs_to(std::string_view file, const std::string& name);

}  // namespace lamina::checkpoint

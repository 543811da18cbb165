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
  /// ".NAME.lock": held by whoever saves or recovers. Of a NAME of which that, or the record's
  /// name, is too long, ".STAND_IN.lock".
  [[nodiscard]] std::filesystem::path lock() const;
  /// ".NAME.recovery", or ".STAND_IN.recovery".
  [[nodiscard]] std::filesystem::path record() const;

  std::filesystem::path directory;  ///< never empty
  std::string name;
};

/// What a save's hidden copy of a file is: the file to come, or the one that was there before.
enum class HiddenCopy { kNew, kOld };

/// The FILE of a record's own hidden copy: "NAME.recovery", or the same with NAME's stand-in.
[[nodiscard]] std::string record_file(const std::string& name);

/// What hidden names have in the place of the name of a file where they would be too long with it:
/// its beginning, "~", 16 hexadecimal digits of a hash of all of it, and what says its kind. The
/// place of a stand-in has the lock and the record of the file for which it stands.
[[nodiscard]] std::string stand_in(const std::string& file);
/// True for names that may be a stand-in.
[[nodiscard]] bool is_stand_in(std::string_view name);
[[nodiscard]] bool is_or_stands_for(std::string_view file, const std::string& name);

/// ".FILE.SAVE.new" and ".FILE.SAVE.old", or the same with FILE's stand-in.
[[nodiscard]] std::string hidden_name(const std::string& file, const std::string& save,
                                      HiddenCopy copy);

/// The id of a save, unlike any other's: "PID-" and 16 hexadecimal digits.
[[nodiscard]] std::string make_save_name();
[[nodiscard]] bool is_save_name(std::string_view text);

/// What a hidden name says; both parts point into it.
struct HiddenName {
  std::string_view file;  ///< or its stand-in
  std::string_view save;
};

/// Empty for every name that `hidden_name` does not make.
[[nodiscard]] std::optional<HiddenName> parse_hidden_name(std::string_view name);

/// NAME for ".NAME.lock" and ".NAME.recovery", where NAME is one that a checkpoint, or an index,
/// can be asked to have, or its stand-in; empty for other names: what others call so is theirs.
[[nodiscard]] std::string_view locked_name(std::string_view name);
[[nodiscard]] std::string_view recorded_name(std::string_view name);

/// NAME for ".NAME.lock", whatever it is.
[[nodiscard]] std::string_view any_locked_name(std::string_view name);

/// True when a save of the checkpoint `name` may write or remove the file, or the file for which
/// the stand-in `file` stands.
[[nodiscard]] bool belongs_to(std::string_view file, const std::string& name);

}  // namespace lamina::checkpoint

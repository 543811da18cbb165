#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace lamina::ops::cuda {

/// Which engine was the fastest for what, in a file that processes share. Words name a device, a
/// library with its version, an operation and an engine; tabs and line ends in them become spaces.
/// Used from one thread at a time; other processes may use the file meanwhile.
class TunedEngines {
 public:
  /// Without a file nothing outlives this. A file that is damaged, or not one of these, is left out
  /// with a warning; a damaged one is replaced when something is kept, another's file is not.
  explicit TunedEngines(std::filesystem::path file);

  [[nodiscard]] std::optional<std::string> find(const std::string& where,
                                                const std::string& op) const;
  /// Also in the file, beside what it holds by then, all at once. Where it cannot be written, that
  /// is a warning, once. What two processes keep at the same moment may be kept of one of them.
  void keep(const std::string& where, const std::string& op, const std::string& engine);

 private:
  using Table = std::map<std::string, std::string>;  ///< engines by "where<tab>op"
  [[nodiscard]] Table read();
  void write(const Table& table);

  std::filesystem::path file_;
  Table table_;
};

/// Where the file lies: in `directory`; or, where that is empty, in $XDG_CACHE_HOME/lamina or
/// ~/.cache/lamina; nowhere (an empty path) without a home.
[[nodiscard]] std::filesystem::path tuned_engines_file(const std::filesystem::path& directory);

}  // namespace lamina::ops::cuda

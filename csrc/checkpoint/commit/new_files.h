#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace lamina::checkpoint {

/// How the files of one save come to be a checkpoint: all of them, or none.
class NewFiles {
 public:
  NewFiles() = default;
  virtual ~NewFiles() = default;
  NewFiles(const NewFiles&) = delete;
  NewFiles& operator=(const NewFiles&) = delete;

  /// Where to write, and sync, the file that will be called `name`.
  [[nodiscard]] virtual std::filesystem::path stage(const std::string& name) = 0;
  /// Makes the staged files, which come in the order of staging (shards first, index last), the
  /// checkpoint, and removes `obsolete` ones. After an exception the old files are in their places.
  virtual void run(const std::vector<std::string>& obsolete) = 0;
};

}  // namespace lamina::checkpoint

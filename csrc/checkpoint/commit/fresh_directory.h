#pragma once
#include "checkpoint/commit/new_files.h"
#include "storage/storage.h"

namespace lamina::checkpoint {

/// Files in a directory that is this save's own and that nobody looks into before the caller has
/// given it its name, or removed it: there is nothing to replace and nothing to recover, so they
/// are made under the names that they keep.
class FreshDirectory final : public NewFiles {
 public:
  FreshDirectory(storage::Storage& storage, std::filesystem::path directory)
      : storage_(storage), directory_(std::move(directory)) {}

  [[nodiscard]] std::filesystem::path stage(const std::string& name) override {
    return directory_ / name;
  }
  void run(const std::vector<std::string>& /*obsolete*/) override {
    storage_.sync_directory(directory_);
  }

 private:
  storage::Storage& storage_;
  std::filesystem::path directory_;
};

}  // namespace lamina::checkpoint

#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "storage/storage.h"

namespace lamina::checkpoint {

/// Replaces the files of a directory by new ones, all or none as far as the file system allows:
///   1. every new file is written and synced under a temporary name beside its place (`stage`);
///   2. the files to be replaced or removed get a second name, by which they survive;
///   3. the new files are renamed into place in the order of staging (shards first, index last);
///   4. files that the new checkpoint no longer has are removed, and the directory is synced;
///   5. the second names are removed.
/// An error in 2 to 4 puts the old files back. The destructor removes what is left of an attempt
/// that was not committed. Where the file system has no second names, step 3 cannot be undone.
class Commit {
 public:
  Commit(storage::Storage& storage, std::filesystem::path directory);
  ~Commit();
  Commit(const Commit&) = delete;
  Commit& operator=(const Commit&) = delete;

  /// The temporary path under which to write the file that will be called `name`.
  [[nodiscard]] std::filesystem::path stage(const std::string& name);
  /// Puts the staged files in place and removes `obsolete` ones.
  void run(const std::vector<std::string>& obsolete);

 private:
  struct Replacement {
    std::string name;
    bool staged = false;  // the temporary name may exist
    bool existed = false;
    bool kept = false;      // the second name of the old file may exist
    bool replaced = false;  // the old file, if any, is out of its place
  };

  [[nodiscard]] std::filesystem::path place(const Replacement& file) const;
  [[nodiscard]] std::filesystem::path temporary(const Replacement& file) const;
  [[nodiscard]] std::filesystem::path second(const Replacement& file) const;
  void keep_old(Replacement& file);
  void put_back() noexcept;
  void remove_if_there(const std::filesystem::path& path) noexcept;

  storage::Storage& storage_;
  std::filesystem::path directory_;
  std::string id_;
  std::vector<Replacement> files_;
};

}  // namespace lamina::checkpoint

#pragma once
#include <memory>

#include "checkpoint/commit/hidden_names.h"
#include "checkpoint/commit/new_files.h"
#include "checkpoint/commit/recovery.h"
#include "storage/storage.h"

namespace lamina::checkpoint {

/// Replaces a checkpoint's files by new ones, all or none, whenever the process or the power dies
/// (the protocol is in commit.cpp). The destructor removes what is left of an attempt that was not
/// committed.
class Commit final : public NewFiles {
 public:
  /// Waits for other saves to this checkpoint (its single file, or its index), finishes what one
  /// that died had begun, and removes what such saves left behind. `waiting` may end the waiting,
  /// see `lock_checkpoint`.
  Commit(storage::Storage& storage, const std::filesystem::path& checkpoint,
         const Waiting& waiting = {});
  ~Commit() override;

  /// A hidden path.
  [[nodiscard]] std::filesystem::path stage(const std::string& name) override;
  void run(const std::vector<std::string>& obsolete) override;

 private:
  struct File {
    std::string name;
    bool staged = false;
    bool existed = false;  // before this save
    bool kept = false;     // the old file may have its second name
  };

  [[nodiscard]] std::filesystem::path hidden(const File& file, HiddenCopy copy) const;
  void keep_old_files();
  void replace_one(const File& file);
  void replace_many();
  /// Throws StorageError for a staged file that is not there any more.
  void check_staged() const;
  /// Whether a file that was there before is not there any more.
  [[nodiscard]] bool is_replaced(const File& file) const;
  void undo_many() noexcept;
  void remove_hidden() noexcept;

  storage::Storage& storage_;
  CheckpointPlace place_;
  std::unique_ptr<storage::Lock> lock_;
  std::string save_;
  std::vector<File> files_;
  bool keep_hidden_ = false;  // a record in force needs the hidden files
};

}  // namespace lamina::checkpoint

#include "checkpoint/commit/commit.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <algorithm>
#include <cerrno>

#include "checkpoint/commit/leftovers.h"
#include "checkpoint/commit/recovery_record.h"

// How a checkpoint NAME is replaced. Hidden files lie beside their places: `.FILE.SAVE.new` is the
// file to come, `.FILE.SAVE.old` a second name of the one to go, SAVE an id of this save alone.
//
//   1. Take `.NAME.lock`, waiting for other saves and recoveries. The system gives it back when its
//      holder dies, so what other saves have left by now was left by the dead. Make durable that
//      the directory is there: who made it may have died, or never have seen to that.
//   2. If a record `.NAME.recovery` is there, its save died: do 7 to 9 for it. Then remove hidden
//      files that dead saves have left.
//   3. Write every new file under its hidden name, and sync it.
//   4. Give each file that is to be replaced or removed its second name.
//
// A single file is now renamed into its place, and the directory synced: one step for everybody.
// The files of a sharded checkpoint go on:
//
//   5. Sync the directory: what the record will name is there whenever the record is. Look that it
//      is: where locks do not reach, another may have taken it for a dead save's.
//   6. Write the record, hidden, sync it, and rename it to `.NAME.recovery`. Who opens the
//      checkpoint from here on finds the record and goes through 7 to 9 first (recovery.cpp).
//   7. Sync the directory. THE COMMIT POINT: a power cut before it may leave the old checkpoint,
//      after it only the new one.
//   8. Rename the new files into place, shards first and the index last, so that Keras, which knows
//      no record, finds a whole checkpoint but in the instants between. Remove the shards that the
//      new checkpoint does not have. Sync the directory. A hidden file that is not there was
//      renamed by who died here before.
//   9. Remove the hidden files, then the record, and sync the directory: no power cut shall bring
//      the record back over what others have written since.
//  10. Give the lock back.
//
// An error in 3 to 6 leaves the old files in place; the hidden ones are removed. An error in 7 or 8
// is undone by a record of the opposite sense, which replaces the other in one step: it puts the
// second names back and removes files that were not there before; then 7 to 9 are done for it. Of a
// file that has no second name and is still in its place it says nothing. If undoing fails as well,
// or a file that is not in its place any more has no second name, the record in force stays and the
// next open does what it says: the whole new checkpoint, or the whole old one. In 9 nothing can be
// lost any more; what cannot be removed is warned of, and the next save tries again.

namespace lamina::checkpoint {
namespace {

/// What has no second name may be a directory, which no file can replace.
void refuse_directory(const std::filesystem::path& place, storage::Storage& storage) {
  try {
    (void)storage.open(place);
  } catch (const StorageError& error) {
    if (error.code() == EISDIR) throw;
  }
}

constexpr const char* kStays =
    "a file that was replaced has no second name by which to undo the save; the next load or "
    "`lamina recover` finishes it.";

/// False where the file at `place` has gone meanwhile: who removes it need not ask for its lock.
template <class F>
bool unless_gone(const std::filesystem::path& place, storage::Storage& storage, const F& action) {
  try {
    action();
    return true;
  } catch (const FileNotFoundError&) {
    if (storage.exists(place)) throw;
    return false;
  }
}

}  // namespace

Commit::Commit(storage::Storage& storage, const std::filesystem::path& checkpoint,
               const Waiting& waiting)
    : storage_(storage),
      place_(checkpoint),
      lock_(lock_checkpoint(place_, storage, waiting)),
      save_(make_save_name()) {
  storage_.sync_parents(place_.directory);
  settle_locked(place_, storage_);
  if (!lock_->exclusive()) return;  // nobody knows whose they are
  std::vector<std::string> problems;
  remove_leftovers(
      place_.directory, place_.name,
      [&](std::string_view file) { return belongs_to(file, place_.name); }, storage_, problems);
  for (const std::string& problem : problems) warn_of_leftover(problem);
}

Commit::~Commit() {
  if (!keep_hidden_) remove_hidden();
}

std::filesystem::path Commit::hidden(const File& file, HiddenCopy copy) const {
  return place_.at(hidden_name(file.name, save_, copy));
}

std::filesystem::path Commit::stage(const std::string& name) {
  files_.push_back({name, true});
  std::filesystem::path staged = hidden(files_.back(), HiddenCopy::kNew);
  // From its first byte on nobody may read it who may not read what it replaces, or, of a shard
  // that is one more than there were, the checkpoint that it comes to.
  for (const auto& like : {place_.at(name), place_.at(place_.name)}) {
    if (!storage_.exists(like)) continue;
    unless_gone(like, storage_, [&] { storage_.create_like(like, staged); });
    break;
  }
  return staged;
}

void Commit::keep_old_files() {
  for (File& file : files_) {
    const auto place = place_.at(file.name);
    file.existed = storage_.exists(place);
    if (!file.existed) continue;
    file.existed = unless_gone(place, storage_, [&] {
      file.kept = storage_.link(place, hidden(file, HiddenCopy::kOld));
      if (!file.kept) refuse_directory(place, storage_);
    });
  }
}

void Commit::run(const std::vector<std::string>& obsolete) {
  for (const std::string& name : obsolete) files_.push_back({name});
  keep_old_files();
  if (files_.size() == 1) {
    replace_one(files_.front());
  } else {
    replace_many();
  }
}

void Commit::replace_one(const File& file) {
  const auto path = place_.at(file.name);
  storage_.rename(hidden(file, HiddenCopy::kNew), path);
  try {
    storage_.sync_directory(place_.directory);
  } catch (...) {
    if (file.kept) {
      quietly([&] { storage_.rename(hidden(file, HiddenCopy::kOld), path); });
    } else if (!file.existed) {
      quietly([&] { storage_.remove(path); });
    }
    quietly([&] { storage_.sync_directory(place_.directory); });
    throw;
  }
}

void Commit::check_staged() const {
  for (const File& file : files_) {
    if (!file.staged || storage_.exists(hidden(file, HiddenCopy::kNew))) continue;
    throw StorageError(
        fmt::format("'{}', which was to become '{}', is gone: another save or recovery has taken "
                    "it for what a dead save had left. Nothing was replaced.",
                    hidden(file, HiddenCopy::kNew).string(), place_.at(file.name).string()),
        ENOENT);
  }
}

void Commit::replace_many() {
  storage_.sync_directory(place_.directory);
  // From here on one that is missing has been renamed: see 8.
  check_staged();
  RecoveryRecord record{save_, HiddenCopy::kNew, {}, {}};
  for (const File& file : files_) {
    if (file.staged || file.existed) {
      (file.staged ? record.replace : record.remove).push_back(file.name);
    }
  }
  try {
    write_record(place_, record, storage_);
    perform(place_, record, storage_);
  } catch (...) {
    undo_many();
    throw;
  }
  finish(place_, record, storage_);
  keep_hidden_ = true;  // none is left
}

bool Commit::is_replaced(const File& file) const {
  if (file.staged) return !storage_.exists(hidden(file, HiddenCopy::kNew));
  return !storage_.exists(place_.at(file.name));
}

void Commit::undo_many() noexcept {
  const bool undone = quietly([&] {
    if (!storage_.exists(place_.record())) return;
    RecoveryRecord record{save_, HiddenCopy::kOld, {}, {}};
    for (const File& file : files_) {
      if (!file.existed) {
        record.remove.push_back(file.name);
      } else if (file.kept) {
        record.replace.push_back(file.name);
      } else if (is_replaced(file)) {
        throw Error(kStays);
      }
    }
    write_record(place_, record, storage_);
    perform(place_, record, storage_);
    finish(place_, record, storage_);
  });
  keep_hidden_ = !undone;
}

void Commit::remove_hidden() noexcept {
  for (const File& file : files_) {
    for (const HiddenCopy copy : {HiddenCopy::kNew, HiddenCopy::kOld}) {
      quietly([&] {
        if (storage_.exists(hidden(file, copy))) storage_.remove(hidden(file, copy));
      });
    }
  }
}

}  // namespace lamina::checkpoint

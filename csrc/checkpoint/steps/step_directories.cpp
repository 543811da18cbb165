#include "checkpoint/steps/step_directories.h"

#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/log.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <optional>
#include <unordered_set>

#include "checkpoint/commit/hidden_names.h"
#include "checkpoint/steps/read_back.h"
#include "checkpoint/steps/step_names.h"

// How a step's directory comes and goes. Hidden directories lie beside it: ".STEP.SAVE.making" is
// the one to come, ".STEP.SAVE.replaced" the one whose place it takes, ".STEP.SAVE.removed" one
// that goes for good; SAVE is an id of this save alone.
//
//   1. Take ".step_directories.lock", waiting for other saves. The system gives it back when its
//      holder dies, so hidden directories that are there now were left by the dead: put a replaced
//      one back whose step has no directory, and remove the others. A replaced one is hidden as
//      removed for that, as in 6, and likewise after 5.
//      Then remove, as in 7, what was not to be kept before this save either, as after a limit was
//      lowered: the disk may be full of it.
//   2. Write the checkpoint into a hidden directory: its files and the directory are durable when
//      that is done (fresh_directory.h).
//   3. If the step has a directory, have the two change places, so that who looks always sees one,
//      and go on with 5. Where the file system cannot do that, hide the old one as replaced, and
//      sync the parent directory.
//   4. Rename the new one into its place. Who lists the steps, or restores the newest, and sees
//      that one is between 3 and 4 waits for it, or does 1 for a save that died there.
//   5. Sync the parent directory: THE COMMIT POINT.
//   6. Hide a replaced one as removed: from now on it is not put back.
//   7. Hide each directory that is not to be kept as removed. Which that are is known only when all
//      that was to be read could be: an error that tells no damage keeps everything. Where one
//      cannot be hidden, the others go all the same. One of which nothing can be removed, such as a
//      directory that is write-protected, gets its name back. An overlay gives no other name to a
//      directory of a lower layer, such as a container's image: of those the index, or the single
//      file, is removed first, durably, which leaves what is no checkpoint. Such a step cannot be
//      replaced before that; what an end at that moment leaves is seen by nobody, and goes when its
//      step is saved again.
//
// Nothing is removed, here or in 1, before the parent directory is synced: of the renames and of
// the removals within the directories a power cut may keep the latter alone, and a step must never
// be seen with a part of its files.
//
// A crash before 5 leaves the old directory, in its place or to be put back in 1, or the new one.
// An error before or in 5 is undone; where two have changed places and cannot change back, the one
// that is hidden is left to the next 1. What cannot be removed in the end is warned of, and removed
// by the next save, if it is hidden.

namespace lamina::checkpoint {
namespace {

using std::filesystem::path;

/// What a checkpoint is called where shards are turned on, or off: "model.weights.json" and
/// "model.weights.h5". Keras loads no single file whose name has nothing before its "weights.h5".
std::string name_of_other_kind(const std::string& file_name) {
  constexpr std::string_view kSingle = ".weights.h5", kIndex = ".weights.json";
  for (const auto& [end, other] : {std::pair(kSingle, kIndex), std::pair(kIndex, kSingle)}) {
    if (file_name.ends_with(end)) {
      return std::string(file_name, 0, file_name.size() - end.size()).append(other);
    }
  }
  return {};
}

CheckpointPlace lock_place(const path& directory) {
  return CheckpointPlace(directory / "step_directories");
}

}  // namespace

struct StepDirectories::Attempt {
  std::int64_t step;
  path making, replaced, removed;  // the last: the replaced one on its way
  bool exchanged = false;          // `making` holds the replaced one
};

StepDirectories::StepDirectories(path directory, std::string file_name, storage::Storage& storage)
    : directory_(std::move(directory)),
      file_name_(std::move(file_name)),
      other_name_(name_of_other_kind(file_name_)),
      storage_(storage),
      read_back_(std::make_shared<ReadBack>()) {
  if (directory_.empty()) directory_ = ".";
}

path StepDirectories::at(std::int64_t step) const {
  return directory_ / step_name(step);
}

path StepDirectories::new_file(std::int64_t step) const {
  return at(step) / file_name_;
}

std::optional<path> StepDirectories::find_file(std::int64_t step) const {
  for (const std::string& name : {file_name_, other_name_}) {
    if (!name.empty() && storage_.exists(at(step) / name)) return at(step) / name;
  }
  return {};
}

path StepDirectories::file(std::int64_t step) const {
  return find_file(step).value_or(new_file(step));
}

std::unique_ptr<storage::ReadableFile> StepDirectories::open(std::int64_t step) const {
  return storage_.open(file(step));
}

/// What one look at the directory shows.
struct StepDirectories::Sight {
  std::vector<std::int64_t> steps;    // of the checkpoints
  std::vector<std::int64_t> between;  // hidden as replaced, and no other is in their place yet
  bool moved = false;                 // a step was listed and has gone since
};

StepDirectories::Sight StepDirectories::look() const {
  Sight out;
  if (!storage_.exists(directory_)) return out;
  std::unordered_set<std::int64_t> listed;
  for (const std::string& name : storage_.list(directory_)) {
    if (const auto hidden = parse_hidden_step(name); hidden && hidden->kind == Hidden::kReplaced) {
      out.between.push_back(hidden->step);
    }
    const auto step = parse_step(name);
    if (!step) continue;
    listed.insert(*step);
    if (find_file(*step)) {
      out.steps.push_back(*step);
    } else if (!storage_.exists(at(*step)) || find_file(*step)) {
      out.moved = true;
    }
  }
  std::erase_if(out.between, [&](std::int64_t step) { return listed.contains(step); });
  std::sort(out.steps.begin(), out.steps.end());
  return out;
}

std::vector<std::int64_t> StepDirectories::steps() const {
  return look().steps;
}

std::vector<std::int64_t> StepDirectories::settled_steps() const {
  Sight sight;
  std::string hindrance;
  int looks = 30;  // about a second, where nobody is known to be at work
  const auto settled = [&] {
    sight = look();
    if (sight.between.empty() && !sight.moved) return true;
    if (sight.between.empty() || !hindrance.empty()) return --looks == 0;
    hindrance = put_back();
    return false;
  };
  wait_until(settled, lock_place(directory_));
  if (!sight.between.empty()) {
    warn(
        fmt::format("The checkpoint of step {} was being replaced when its save died, and is not "
                    "put back: {}. Run `lamina recover {}` where that is possible.",
                    sight.between.back(), hindrance, directory_.string()));
  }
  return std::move(sight.steps);
}

std::string StepDirectories::put_back() const {
  try {
    const auto lock = storage_.try_lock(lock_place(directory_).lock());
    if (!lock) return {};
    if (!lock->exclusive()) return "the file system has no locks to tell whose it is";
    Recovery done;
    clean_locked(done);
    return {};
  } catch (const StorageError& error) {
    if (!is_forbidden(error)) throw;
    return error.what();
  }
}

void StepDirectories::save(std::int64_t step, const Write& write, const KeepRule& keep,
                           const Waiting& waiting) const {
  storage::create_directories(directory_, storage_);
  const auto lock = lock_checkpoint(lock_place(directory_), storage_, waiting);
  Recovery cleaned;
  if (lock->exclusive()) clean_locked(cleaned);
  for (const std::string& problem : cleaned.problems) warn_of_leftover(problem);
  const std::string name = make_save_name();
  Attempt attempt{step, directory_ / hidden_step(step, name, Hidden::kMaking),
                  directory_ / hidden_step(step, name, Hidden::kReplaced),
                  directory_ / hidden_step(step, name, Hidden::kRemoved)};
  Saved saved{step, nullptr};
  const std::exception_ptr hindrance = prune_before(step, keep);
  try {
    storage_.create_directory(attempt.making);
    saved.layout = write(attempt.making / file_name_);
    put_in_place(attempt);
  } catch (...) {
    quietly([&] {
      if (!attempt.exchanged && storage_.exists(attempt.making)) remove_hidden({attempt.making});
    });
    // Else the one that comes now finds what was in the way, and says so.
    quietly([&] {
      if (hindrance) std::rethrow_exception(hindrance);
    });
    throw;
  }
  const bool gone = quietly([&] {
    if (storage_.exists(attempt.replaced)) storage_.rename(attempt.replaced, attempt.removed);
    // Of what has changed places, 5 has synced that it is hidden.
    if (storage_.exists(attempt.making)) storage::remove_all(attempt.making, storage_);
    if (storage_.exists(attempt.removed)) remove_hidden({attempt.removed});
  });
  // Of a step that goes while its replaced one is still there, that one would be put back.
  if (gone) quietly([&] { prune(keep, saved); });
}

bool StepDirectories::change_places(Attempt& attempt) const {
  const path place = at(attempt.step);
  attempt.exchanged = storage_.exchange(attempt.making, place);
  if (!attempt.exchanged) return false;
  try {
    storage_.sync_directory(directory_);
  } catch (...) {
    quietly([&] { attempt.exchanged = !storage_.exchange(attempt.making, place); });
    throw;
  }
  return true;
}

void StepDirectories::put_in_place(Attempt& attempt) const {
  try {
    replace(attempt);
  } catch (const StorageError& error) {
    // An end in the middle of 7 may have left a directory that has no other name.
    const bool is_rest = error.code() == EXDEV && !find_file(attempt.step);
    if (!is_rest || !storage_.exists(at(attempt.step))) throw;
    remove_hidden({at(attempt.step)});
    replace(attempt);
  }
}

void StepDirectories::replace(Attempt& attempt) const {
  const path place = at(attempt.step);
  if (storage_.exists(place) && change_places(attempt)) return;
  bool placed = false;
  try {
    if (storage_.exists(place)) {
      storage_.rename(place, attempt.replaced);
      storage_.sync_directory(directory_);
    }
    storage_.rename(attempt.making, place);
    placed = true;
    storage_.sync_directory(directory_);
  } catch (...) {
    quietly([&] {
      if (placed && !storage_.exists(attempt.making)) storage_.rename(place, attempt.making);
      if (storage_.exists(attempt.replaced)) storage_.rename(attempt.replaced, place);
    });
    throw;
  }
}

void StepDirectories::clean(Recovery& done) const {
  if (!storage_.exists(directory_)) return;
  const std::vector<std::string> names = storage_.list(directory_);
  const path lock_file = lock_place(directory_).lock();
  const auto is_left = [&](const std::string& name) {
    return parse_hidden_step(name) || name == lock_file.filename();
  };
  if (std::none_of(names.begin(), names.end(), is_left)) return;
  const auto lock = storage_.try_lock(lock_file);  // which takes its file along when it goes
  if (!lock) done.in_use.push_back(lock_place(directory_).name);
  if (lock && lock->exclusive()) {
    clean_locked(done);
  } else if (lock) {
    tell_of_replaced(names, done);
  }
}

/// Where there are no locks nobody knows whether their saves are at work, but whoever asks here.
void StepDirectories::tell_of_replaced(const std::vector<std::string>& names,
                                       Recovery& done) const {
  for (const std::string& name : names) {
    const auto hidden = parse_hidden_step(name);
    if (!hidden || hidden->kind != Hidden::kReplaced || storage_.exists(at(hidden->step))) continue;
    done.problems.push_back(fmt::format(
        "'{}' is the checkpoint of step {}, which a save was replacing, and the file system has no "
        "locks to tell whether that save is still at work. If it is not, rename it to '{}'.",
        (directory_ / name).string(), hidden->step, step_name(hidden->step)));
  }
}

void StepDirectories::clean_locked(Recovery& done) const {
  bool any = false;
  std::vector<path> going;
  std::vector<std::string> found;
  for (const std::string& name : storage_.list(directory_)) {
    const auto hidden = parse_hidden_step(name);
    if (!hidden) continue;
    any = true;
    if (hidden->kind == Hidden::kReplaced && !storage_.exists(at(hidden->step))) {
      storage_.rename(directory_ / name, at(hidden->step));
      done.finished.push_back(step_name(hidden->step));
      continue;
    }
    found.push_back(name);
    going.push_back(directory_ / name);
    if (hidden->kind == Hidden::kReplaced) {
      // Not before it is durable that its step has another.
      storage_.sync_directory(directory_);
      going.back() = directory_ / hidden_step(hidden->step, make_save_name(), Hidden::kRemoved);
      storage_.rename(directory_ / name, going.back());
    }
  }
  if (!any) return;
  storage_.sync_directory(directory_);
  for (std::size_t i = 0; i < going.size(); ++i) {
    try {
      storage::remove_all(going[i], storage_);
      done.removed.push_back(found[i]);
    } catch (const StorageError& error) {
      done.problems.emplace_back(error.what());
    }
  }
}

void StepDirectories::remove_hidden(const std::vector<path>& directories) const {
  storage_.sync_directory(directory_);
  for (const path& directory : directories) storage::remove_all(directory, storage_);
}

}  // namespace lamina::checkpoint

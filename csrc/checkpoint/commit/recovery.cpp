#include "checkpoint/commit/recovery.h"

#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/log.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <thread>

#include "storage/text_file.h"

namespace lamina::checkpoint {
namespace {

using std::filesystem::path;
using storage::Storage;
using Clock = std::chrono::steady_clock;

constexpr auto kFirstPause = std::chrono::milliseconds(1);
constexpr auto kLongestPause = std::chrono::milliseconds(50);
constexpr auto kLongWait = std::chrono::seconds(20);

void remove_if_there(const path& file, Storage& storage) {
  try {
    storage.remove(file);
  } catch (const FileNotFoundError&) {
  }
}

/// The hidden copy is gone when this was done before.
void rename_if_there(const path& from, const path& to, Storage& storage) {
  try {
    storage.rename(from, to);
  } catch (const FileNotFoundError&) {
  }
}

/// Whose record is in force; empty: nobody's.
std::string save_on_record(const CheckpointPlace& place, Storage& storage) {
  if (!storage.exists(place.record())) return {};
  const std::optional<RecoveryRecord> record = read_record(place, storage);
  return record ? record->save : std::string();
}

}  // namespace

void warn_of_leftover(const std::string& problem) {
  warn(fmt::format("What a dead save has left was not removed: {}", problem));
}

bool is_forbidden(const StorageError& error) noexcept {
  return error.code() == EACCES || error.code() == EROFS || error.code() == EPERM;
}

bool quietly(const std::function<void()>& action) noexcept {
  for (int attempt = 1; attempt <= 2; ++attempt) {
    try {
      action();
      return true;
    } catch (const std::exception& error) {
      try {
        if (attempt == 2)
          warn(std::string("Cleaning up after a save was not possible: ") + error.what());
      } catch (...) {
      }
    }
  }
  return false;
}

void wait_until(const std::function<bool()>& done, const CheckpointPlace& place,
                const Waiting& waiting) {
  const auto begin = Clock::now();
  bool warned = false;
  for (auto pause = kFirstPause; !done(); pause = std::min(2 * pause, kLongestPause)) {
    if (waiting) waiting(place.lock());
    std::this_thread::sleep_for(pause);
    if (warned || Clock::now() - begin < kLongWait) continue;
    warned = true;
    warn(fmt::format("Waiting for another save to '{}', whose lock '{}' is held.",
                     place.at(place.name).string(), place.lock().string()));
  }
}

std::unique_ptr<storage::Lock> lock_checkpoint(const CheckpointPlace& place, Storage& storage,
                                               const Waiting& waiting) {
  std::unique_ptr<storage::Lock> lock;
  try {
    wait_until([&] { return (lock = storage.try_lock(place.lock())) != nullptr; }, place, waiting);
  } catch (const FileNotFoundError& error) {
    throw FileNotFoundError(fmt::format("'{}' cannot be saved in '{}': No such file or directory",
                                        place.at(place.name).string(), place.directory.string()),
                            error.code());
  } catch (const StorageError& error) {
    if (!is_forbidden(error)) throw;
    throw StorageError(
        fmt::format("Nothing can be saved in '{}', where new files are made before they take the "
                    "places of old ones: {}",
                    place.directory.string(), error.what()),
        error.code());
  }
  return lock;
}

void write_record(const CheckpointPlace& place, const RecoveryRecord& record, Storage& storage) {
  const std::string text = record_text(record, place.name);
  const path hidden = place.at(hidden_name(record_file(place.name), record.save, HiddenCopy::kNew));
  try {
    storage::write_text(hidden, text, storage);
    storage.rename(hidden, place.record());
  } catch (...) {
    quietly([&] { remove_if_there(hidden, storage); });
    throw;
  }
}

void perform(const CheckpointPlace& place, const RecoveryRecord& record, Storage& storage) {
  // A record can be seen before it is durable, and nothing may be changed before it is.
  storage.sync_directory(place.directory);
  for (const std::string& file : record.replace) {
    rename_if_there(place.at(hidden_name(file, record.save, record.copy)), place.at(file), storage);
  }
  for (const std::string& file : record.remove) remove_if_there(place.at(file), storage);
  storage.sync_directory(place.directory);
}

void finish(const CheckpointPlace& place, const RecoveryRecord& record, Storage& storage) noexcept {
  for (const auto* files : {&record.replace, &record.remove}) {
    for (const std::string& file : *files) {
      for (const HiddenCopy copy : {HiddenCopy::kNew, HiddenCopy::kOld}) {
        quietly([&] { remove_if_there(place.at(hidden_name(file, record.save, copy)), storage); });
      }
    }
  }
  quietly([&] { remove_if_there(place.record(), storage); });
  quietly([&] { storage.sync_directory(place.directory); });
}

void settle_locked(const CheckpointPlace& place, Storage& storage) {
  const std::optional<RecoveryRecord> record = read_record(place, storage);
  if (!record) return;
  perform(place, *record, storage);
  finish(place, *record, storage);
}

bool is_unsettled(const path& checkpoint, Storage& storage) {
  return !save_on_record(CheckpointPlace(checkpoint), storage).empty();
}

void settle(const path& checkpoint, Storage& storage, const Waiting& waiting) {
  const CheckpointPlace place(checkpoint);
  const auto settled = [&] {
    const std::string save = save_on_record(place, storage);
    if (save.empty()) return true;
    try {
      const auto lock = storage.try_lock(place.lock());
      if (!lock) return false;
      settle_locked(place, storage);
      return true;
    } catch (const StorageError& error) {
      // Its save may have given the lock back meanwhile, which we may not make anew.
      if (!is_forbidden(error) || save_on_record(place, storage) == save) throw;
      return false;
    }
  };
  try {
    wait_until(settled, place, waiting);
  } catch (const StorageError& error) {
    if (!is_forbidden(error)) throw;
    throw StorageError(
        fmt::format("A save of '{}' was interrupted while it put its files in place, and this "
                    "cannot be finished here ({}). Run `lamina recover {}` as somebody who may.",
                    checkpoint.string(), error.what(), place.directory.string()),
        error.code());
  }
}

}  // namespace lamina::checkpoint

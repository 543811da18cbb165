#pragma once
#include <lamina/error.h>

#include <functional>
#include <memory>
#include <string>

#include "checkpoint/commit/hidden_names.h"
#include "checkpoint/commit/recovery_record.h"
#include "storage/storage.h"

namespace lamina::checkpoint {

/// Hears again and again of a lock that is waited for; an exception ends the waiting.
using Waiting = std::function<void(const std::filesystem::path& lock)>;

/// Before a checkpoint's files are opened: waits for a save that is just putting them in place, and
/// finishes one that died doing so. Costs one look at the directory when there is nothing to do.
/// Throws StorageError, naming `lamina recover`, when the directory may not be written.
void settle(const std::filesystem::path& checkpoint, storage::Storage& storage,
            const Waiting& waiting = {});

/// True while files of the checkpoint are being put in place.
[[nodiscard]] bool is_unsettled(const std::filesystem::path& checkpoint, storage::Storage& storage);

/// Calls `done` until it says so, with pauses in between; warns when that takes long.
void wait_until(const std::function<bool()>& done, const CheckpointPlace& place,
                const Waiting& waiting = {});

/// Waits until no other save or recovery works on the checkpoint; warns when that takes long.
[[nodiscard]] std::unique_ptr<storage::Lock> lock_checkpoint(const CheckpointPlace& place,
                                                             storage::Storage& storage,
                                                             const Waiting& waiting = {});

/// Finishes what a save that died has left undone, for the holder of the checkpoint's lock.
void settle_locked(const CheckpointPlace& place, storage::Storage& storage);

/// Puts a record in force in one step: on return or exception, the old or the new one is.
void write_record(const CheckpointPlace& place, const RecoveryRecord& record,
                  storage::Storage& storage);

/// Does what the record in force says. On return the files are in their places, durably.
void perform(const CheckpointPlace& place, const RecoveryRecord& record, storage::Storage& storage);

/// Removes the hidden copies that a performed record leaves, then the record. Only warns.
void finish(const CheckpointPlace& place, const RecoveryRecord& record,
            storage::Storage& storage) noexcept;

/// That a save goes on though something stays that a dead one has left.
void warn_of_leftover(const std::string& problem);

/// True when the caller lacks the right, which another may have.
[[nodiscard]] bool is_forbidden(const StorageError& error) noexcept;

/// Cleaning up has no caller to report to: tries twice, then says in a warning what is left undone.
bool quietly(const std::function<void()>& action) noexcept;

}  // namespace lamina::checkpoint

#pragma once
#include <lamina/save_handle.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <mutex>
#include <utility>

#include "core/per_process_member.h"

namespace lamina::checkpoint {

/// What the thread that saves and those that wait for it tell each other. Safe from all of them.
class SaveState {
 public:
  using Clock = std::chrono::steady_clock;

  /// The path is named in messages.
  explicit SaveState(std::filesystem::path path) : path_(std::move(path)) {}
  ~SaveState();
  SaveState(const SaveState&) = delete;
  SaveState& operator=(const SaveState&) = delete;

  /// What a caller holds of the save.
  [[nodiscard]] static SaveHandle handle(std::shared_ptr<SaveState> state) {
    return SaveHandle(std::move(state));
  }

  // The saving side.

  /// False: cancelled while it waited, and over.
  [[nodiscard]] bool begin();
  void lay_out(std::uint64_t bytes, std::size_t shards);
  void add_bytes(std::uint64_t bytes) { bytes_done_ += bytes; }
  void finish_shard() { ++shards_done_; }
  /// The values are not read any more.
  void finish_copy();
  void throw_if_cancelled() const;
  /// For who waits for a lock that another holds, now and then: throws CancelledError, and
  /// StorageError when the process ends and the time for that is over; says once that it is
  /// running.
  void go_on_waiting_for(const std::filesystem::path& lock);
  /// From here on the save cannot be cancelled. Throws CancelledError when it already is.
  void begin_commit();
  /// The save is over; `failure` is null when it succeeded.
  void finish(std::exception_ptr failure);

  // The waiting side.

  void wait() const;
  void wait_until_copied() const;
  [[nodiscard]] bool done() const;
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// Throws CancelledError when the save was cancelled, else its failure, which it then has no
  /// more.
  void throw_failure();
  /// The failure of a save that is done, which it then has no more; null without one.
  [[nodiscard]] std::exception_ptr take_failure();
  /// For a save that is of no use without this one, once this one is over: throws what
  /// `throw_failure` does, and CancelledError where somebody has had the failure before.
  void require_saved();
  [[nodiscard]] SaveProgress progress() const;
  void cancel();
  /// In a child that was forked, of a save that was under way in its parent: nobody here will ever
  /// hear of it, and a thread that is not here may hold its mutex.
  [[nodiscard]] bool is_lost() const;

  // The end of the process.

  /// From `until` on the save waits for no lock any more. One that has its lock goes on.
  void limit_waiting(Clock::time_point until) { until_ = until; }
  [[nodiscard]] bool has_failure() const;
  /// Warns of a failure that nobody has had yet, which it keeps.
  void tell_failure() noexcept;

 private:
  enum class Stage { kWaiting, kWriting, kCommitting, kDone };

  [[nodiscard]] bool is_of_parent() const { return process_ != core::Forks::count(); }

  const std::filesystem::path path_;
  const std::uint64_t process_ = core::Forks::count();
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  Stage stage_ = Stage::kWaiting;
  bool copied_ = false, failed_ = false, told_ = false;
  std::exception_ptr failure_;
  std::atomic<bool> cancelled_ = false;
  std::atomic<Clock::time_point> until_ = Clock::time_point::max();
  bool told_of_waiting_ = false;  // the saving side's
  std::atomic<std::uint64_t> bytes_done_ = 0, bytes_total_ = 0;
  std::atomic<std::size_t> shards_done_ = 0, shards_total_ = 0;
};

}  // namespace lamina::checkpoint

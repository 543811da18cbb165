#include "checkpoint/background/save_state.h"

#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/log.h>

#include <cerrno>

namespace lamina::checkpoint {
namespace {

std::string message_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "unknown error";
  }
}

bool is_cancellation(const std::exception_ptr& failure) {
  try {
    if (failure) std::rethrow_exception(failure);
  } catch (const CancelledError&) {
    return true;
  } catch (...) {
  }
  return false;
}

}  // namespace

SaveState::~SaveState() {
  if (!is_of_parent()) tell_failure();
}

void SaveState::tell_failure() noexcept {
  try {
    std::string message;
    {
      const std::lock_guard lock(mutex_);
      if (!failure_ || std::exchange(told_, true)) return;
      message = message_of(failure_);  // before anybody else can have the failure, and destroy it
    }
    warn(fmt::format("Saving '{}' failed, and nothing waited for it: {}", path_.string(), message));
  } catch (...) {  // neither a destructor nor a warning may end the program
  }
}

bool SaveState::begin() {
  const std::lock_guard lock(mutex_);
  if (stage_ == Stage::kDone) return false;
  stage_ = Stage::kWriting;
  return true;
}

void SaveState::lay_out(std::uint64_t bytes, std::size_t shards) {
  bytes_total_ = bytes;
  shards_total_ = shards;
}

void SaveState::finish_copy() {
  const std::lock_guard lock(mutex_);
  copied_ = true;
  changed_.notify_all();
}

void SaveState::throw_if_cancelled() const {
  if (cancelled_) throw CancelledError(fmt::format("Saving '{}' was cancelled.", path_.string()));
}

void SaveState::go_on_waiting_for(const std::filesystem::path& lock) {
  throw_if_cancelled();
  const Clock::time_point until = until_;
  if (until == Clock::time_point::max()) return;
  const auto left = std::chrono::ceil<std::chrono::seconds>(until - Clock::now());
  if (left.count() <= 0) {
    throw StorageError(
        fmt::format("'{}' was given up at the end of the process, when another save or recovery "
                    "still held its lock '{}'. What was there before stays.",
                    path_.string(), lock.string()),
        ETIMEDOUT);
  }
  if (std::exchange(told_of_waiting_, true)) return;
  warn(
      fmt::format("The process is to end, and the save of '{}' waits for its lock '{}', which "
                  "another save or recovery holds. It is given up if that lasts {} s more.",
                  path_.string(), lock.string(), left.count()));
}

void SaveState::begin_commit() {
  const std::lock_guard lock(mutex_);
  throw_if_cancelled();
  stage_ = Stage::kCommitting;
}

void SaveState::finish(std::exception_ptr failure) {
  const bool cancelled = is_cancellation(failure);
  const std::lock_guard lock(mutex_);
  cancelled_ = cancelled;
  failed_ = failure && !cancelled;
  if (!cancelled) failure_ = std::move(failure);
  copied_ = true;
  stage_ = Stage::kDone;
  changed_.notify_all();
}

bool SaveState::is_lost() const {
  if (!is_of_parent()) return false;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  return !lock || stage_ != Stage::kDone;
}

void SaveState::wait() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stage_ == Stage::kDone; });
}

void SaveState::wait_until_copied() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return copied_; });
}

bool SaveState::done() const {
  const std::lock_guard lock(mutex_);
  return stage_ == Stage::kDone;
}

void SaveState::throw_failure() {
  if (const std::exception_ptr failure = take_failure()) std::rethrow_exception(failure);
  throw_if_cancelled();
}

bool SaveState::has_failure() const {
  const std::lock_guard lock(mutex_);
  return failure_ != nullptr;
}

std::exception_ptr SaveState::take_failure() {
  const std::lock_guard lock(mutex_);
  return stage_ == Stage::kDone ? std::exchange(failure_, nullptr) : nullptr;
}

void SaveState::require_saved() {
  throw_failure();
  const std::lock_guard lock(mutex_);
  if (failed_) throw CancelledError(fmt::format("Saving '{}' failed.", path_.string()));
}

SaveProgress SaveState::progress() const {
  return {bytes_done_, bytes_total_, shards_done_, shards_total_};
}

void SaveState::cancel() {
  const std::lock_guard lock(mutex_);
  if (stage_ != Stage::kWaiting && stage_ != Stage::kWriting) return;
  cancelled_ = true;
  if (stage_ == Stage::kWriting) return;
  stage_ = Stage::kDone;
  copied_ = true;
  changed_.notify_all();
}

}  // namespace lamina::checkpoint

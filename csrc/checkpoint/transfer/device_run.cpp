#include "checkpoint/transfer/device_run.h"

#include <lamina/error.h>

#include <algorithm>

namespace lamina::checkpoint {

DeviceRun::DeviceRun(std::vector<Chunk> chunks, std::span<const FilePlace> places,
                     runtime::PinnedRing& ring, const DeviceTransferOptions& options)
    : chunks_(std::move(chunks)), places_(places), ring_(ring), options_(options) {
  for (const FilePlace& place : places) files_.emplace(place.file, files_.size());
  abandoned_.reserve(ring.slots());  // so that to abandon a slot cannot fail
  stream_ = ring.runtime().make_stream();
  for (const runtime::Event* event : options.after) stream_->wait(*event);
  if (options.timeline != nullptr) {
    origin_ = ring.runtime().make_event();
    stream_->record(*origin_);
    origin_->wait();
    origin_time_ = options.timeline->now();
  }
}

std::size_t DeviceRun::threads() const {
  const std::size_t wanted =
      options_.threads > 0 ? options_.threads : std::min(ring_.slots(), io_threads());
  return std::max<std::size_t>(std::min(wanted, chunks_.size()), 1);
}

void DeviceRun::fail(std::exception_ptr failure) {
  {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
  }
  stop_.request_stop();
}

void DeviceRun::fail(std::exception_ptr failure, runtime::PinnedRing::Lease lease) {
  abandon(std::move(lease));
  fail(std::move(failure));
}

void DeviceRun::abandon(runtime::PinnedRing::Lease lease) {
  const std::lock_guard lock(mutex_);
  abandoned_.push_back(std::move(lease));
}

void DeviceRun::copy(runtime::PinnedRing::Slot& slot, const std::vector<runtime::Copy>& copies) {
  const std::lock_guard lock(mutex_);
  if (origin_) stream_->record(*slot.started);
  stream_->copy(copies);
  stream_->record(*slot.copied);
}

void DeviceRun::wait_copied(const runtime::PinnedRing::Slot& slot, const Chunk& chunk) {
  slot.copied->wait();
  if (!origin_) return;
  options_.timeline->add({TimelineSpan::Lane::kCopy, slot.index, file_of(chunk.runs.front()),
                          origin_time_ + slot.started->seconds_since(*origin_),
                          origin_time_ + slot.copied->seconds_since(*origin_)});
}

void DeviceRun::all_copied() {
  if (stopped()) return;
  {
    const std::lock_guard lock(mutex_);
    stream_->synchronize();
  }
  if (options_.copied) options_.copied();
}

bool DeviceRun::has_threads(const ThreadPool& pool) {
  if (!pool.threads.empty()) return true;
  try {
    std::rethrow_exception(pool.hindrance);
  } catch (const std::exception& hindrance) {
    fail(std::make_exception_ptr(DeviceError(
        "std::thread", hindrance.what(), "no thread for a transfer", SourceLocation::current())));
  }
  return false;
}

void DeviceRun::run_threads(const std::function<void()>& work,
                            const std::function<void()>& meanwhile) {
  const std::stop_callback on_stop(options_.stop, [this] { stop_.request_stop(); });
  const ThreadPool pool(threads(), work);
  (void)has_threads(pool);
  try {
    meanwhile();
  } catch (...) {
    fail(std::current_exception());
  }
}

void DeviceRun::finish() {
  stream_.reset();  // waits: from here on nothing touches a slot or the device's memory
  abandoned_.clear();
  if (failure_) std::rethrow_exception(failure_);
  if (stopped()) throw CancelledError("The transfer of a checkpoint was cancelled.");
}

}  // namespace lamina::checkpoint

#pragma once
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "checkpoint/transfer/chunk_plan.h"
#include "checkpoint/transfer/device_transfer.h"
#include "checkpoint/transfer/parallel.h"

namespace lamina::checkpoint {

/// What both directions of a transfer share: the stream, the first failure, and the slots that a
/// failure left behind. A slot with a copy on it must not go back to the ring, and after a failure
/// nobody knows; so those wait here until the stream is gone, whose destructor waits for its work.
class DeviceRun {
 public:
  DeviceRun(std::vector<Chunk> chunks, std::span<const FilePlace> places, runtime::PinnedRing& ring,
            const DeviceTransferOptions& options);

  [[nodiscard]] const std::vector<Chunk>& chunks() const noexcept { return chunks_; }
  [[nodiscard]] std::size_t threads() const;
  [[nodiscard]] std::size_t slots() const { return ring_.slots(); }
  [[nodiscard]] bool stopped() const { return stop_.stop_requested(); }
  /// Empty when the transfer stops.
  [[nodiscard]] runtime::PinnedRing::Lease take_slot() { return ring_.take(stop_.get_token()); }
  /// Keeps the first failure and stops everything.
  void fail(std::exception_ptr failure);
  void fail(std::exception_ptr failure, runtime::PinnedRing::Lease lease);
  /// A slot that was not used to its end.
  void abandon(runtime::PinnedRing::Lease lease);

  /// Gives the stream the copies of one chunk, between the slot's two events.
  void copy(runtime::PinnedRing::Slot& slot, const std::vector<runtime::Copy>& copies);
  /// Waits for them, and records them for `chunk`.
  void wait_copied(const runtime::PinnedRing::Slot& slot, const Chunk& chunk);
  /// Runs `access`, which reads or writes `run` in the slot's file, and records it.
  template <class F>
  void at_file(const runtime::PinnedRing::Slot& slot, const Run& run, F&& access) {
    const double start = options_.timeline ? options_.timeline->now() : 0.0;
    access();
    if (options_.timeline == nullptr) return;
    options_.timeline->add(
        {TimelineSpan::Lane::kStorage, slot.index, file_of(run), start, options_.timeline->now()});
  }
  /// Waits for all that the stream was given, then calls `options.copied`.
  void all_copied();
  /// False where none is to be had, which fails the transfer.
  [[nodiscard]] bool has_threads(const ThreadPool& pool);
  /// Runs `work` on its threads, as many of them as there are to be had, and on none but those.
  void run_threads(const std::function<void()>& work, const std::function<void()>& meanwhile);
  /// Waits for everything and throws the first failure.
  void finish();

 private:
  [[nodiscard]] std::size_t file_of(const Run& run) const {
    return files_.at(places_[run.place].file);
  }

  std::vector<Chunk> chunks_;
  std::span<const FilePlace> places_;
  runtime::PinnedRing& ring_;
  const DeviceTransferOptions& options_;
  std::map<const void*, std::size_t> files_;
  std::stop_source stop_;
  std::mutex mutex_;  // of the failure, the abandoned slots and the stream
  std::exception_ptr failure_;
  std::vector<runtime::PinnedRing::Lease> abandoned_;
  std::unique_ptr<runtime::Event> origin_;  // of the device's times
  double origin_time_ = 0;
  std::unique_ptr<runtime::Stream> stream_;
};

}  // namespace lamina::checkpoint

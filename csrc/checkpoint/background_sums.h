#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <thread>

#include "checkpoint/tensor_checksum.h"

namespace lamina::checkpoint {

/// Checksums of bytes that go past the caches, taken on a thread of their own: one that reads or
/// writes files would let the disk wait meanwhile. Safe from several threads.
class BackgroundSums {
 public:
  BackgroundSums() = default;
  /// What is not summed yet is forgotten.
  ~BackgroundSums();
  BackgroundSums(const BackgroundSums&) = delete;
  BackgroundSums& operator=(const BackgroundSums&) = delete;

  /// `part` lies at `offset` of the tensor, and stays as it is until `finish` returns.
  void add(TensorChecksum& tensor, std::uint64_t offset, std::span<const std::byte> part);
  /// Helps, and returns when all that was added is summed.
  void finish();

 private:
  struct Part {
    TensorChecksum* tensor;
    std::uint64_t offset;
    std::span<const std::byte> bytes;
  };

  /// Sums the first part that waits.
  void sum_one(std::unique_lock<std::mutex>& lock);
  void serve();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Part> parts_;
  bool over_ = false;
  std::thread thread_;  // from the first part on
};

}  // namespace lamina::checkpoint

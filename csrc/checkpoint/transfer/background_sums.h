#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <thread>
#include <unordered_map>

#include "checkpoint/transfer/tensor_checksum.h"

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

  /// `part` lies at `offset` of the tensor, and stays as it is until `finish` returns. What is of
  /// one `group`, a file, can be waited for by itself.
  void add(TensorChecksum& tensor, std::uint64_t offset, std::span<const std::byte> part,
           const void* group = nullptr);
  /// Helps, and returns when all that was added is summed.
  void finish();
  /// Helps, and returns when what was added of the group is summed.
  void finish(const void* group);

 private:
  struct Part {
    TensorChecksum* tensor;
    std::uint64_t offset;
    std::span<const std::byte> bytes;
    const void* group;
  };

  /// Sums the first part that waits.
  void sum_one(std::unique_lock<std::mutex>& lock);
  void serve();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Part> parts_;
  std::unordered_map<const void*, std::size_t> left_;  // parts of each group that are not summed
  bool over_ = false;
  std::thread thread_;  // from the first part on
};

}  // namespace lamina::checkpoint

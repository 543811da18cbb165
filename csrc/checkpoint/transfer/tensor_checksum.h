#pragma once
#include <atomic>
#include <cstdint>
#include <span>

#include "core/crc32c.h"

namespace lamina::checkpoint {

/// The CRC-32C of a tensor's bytes from those of its parts, which may come in any order and from
/// several threads, each byte once.
class TensorChecksum {
 public:
  explicit TensorChecksum(std::uint64_t size) : size_(size) {}

  /// `part` lies at `offset` of the tensor.
  void add(std::uint64_t offset, std::span<const std::byte> part) noexcept {
    add(offset, part.size(), core::crc32c(part));
  }
  /// A part of `size` bytes whose checksum is known.
  void add(std::uint64_t offset, std::uint64_t size, std::uint32_t checksum) noexcept {
    sum_ ^= core::crc32c_combine(checksum, 0, size_ - offset - size);
  }
  /// Once every part was added.
  [[nodiscard]] std::uint32_t value() const noexcept { return sum_; }

 private:
  std::uint64_t size_;
  std::atomic<std::uint32_t> sum_ = 0;
};

}  // namespace lamina::checkpoint

#pragma once
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

namespace lamina::runtime {

class PinnedMemory;

/// The host at work on page-locked bytes, for as long as this lives. The bytes can be reached in no
/// other way, so a test double sees every access and can tell whether an event ordered it.
template <class Byte>
class HostAccess {
 public:
  HostAccess(PinnedMemory& memory, std::span<Byte> bytes) noexcept;
  HostAccess(HostAccess&& other) noexcept
      : memory_(std::exchange(other.memory_, nullptr)), bytes_(other.bytes_) {}
  HostAccess& operator=(HostAccess&&) = delete;
  ~HostAccess();

  [[nodiscard]] std::span<Byte> bytes() const noexcept { return bytes_; }

 private:
  PinnedMemory* memory_;
  std::span<Byte> bytes_;
};

/// Page-locked host memory, 4096-aligned, released with its owner. No copy on it may be pending
/// then. Throws nothing: a range beyond its end is a mistake of the caller.
class PinnedMemory {
 public:
  virtual ~PinnedMemory() = default;
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// For copies on a stream, not for the host's own use.
  [[nodiscard]] std::byte* address() const noexcept { return data_; }
  [[nodiscard]] HostAccess<const std::byte> read(std::size_t offset, std::size_t size) {
    return {*this, {data_ + offset, size}};
  }
  [[nodiscard]] HostAccess<std::byte> write(std::size_t offset, std::size_t size) {
    return {*this, {data_ + offset, size}};
  }

 protected:
  PinnedMemory(std::byte* data, std::size_t size) noexcept : data_(data), size_(size) {}
  virtual void begin_access(std::span<const std::byte>, bool /*writes*/) noexcept {}
  virtual void end_access(std::span<const std::byte>, bool /*writes*/) noexcept {}

 private:
  template <class Byte>
  friend class HostAccess;
  std::byte* data_;
  std::size_t size_;
};

template <class Byte>
HostAccess<Byte>::HostAccess(PinnedMemory& memory, std::span<Byte> bytes) noexcept
    : memory_(&memory), bytes_(bytes) {
  memory_->begin_access(bytes_, !std::is_const_v<Byte>);
}

template <class Byte>
HostAccess<Byte>::~HostAccess() {
  if (memory_ != nullptr) memory_->end_access(bytes_, !std::is_const_v<Byte>);
}

}  // namespace lamina::runtime

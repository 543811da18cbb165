#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string_view>

namespace lamina::h5 {

/// Writes little-endian fields one after the other into bytes that are zero: the other side of
/// Cursor. Passing the end is a mistake of the program's, hence std::logic_error.
class FieldWriter {
 public:
  explicit FieldWriter(std::span<std::byte> bytes) : rest_(bytes) {}

  void u8(std::uint8_t value) { put(value); }
  void u16(std::uint16_t value) { put(value); }
  void u32(std::uint32_t value) { put(value); }
  void u64(std::uint64_t value) { put(value); }
  void bytes(std::span<const std::uint8_t> values) {
    if (!values.empty()) std::memcpy(take(values.size()).data(), values.data(), values.size());
  }
  void text(std::string_view value) {
    if (!value.empty()) std::memcpy(take(value.size()).data(), value.data(), value.size());
  }
  /// Leaves zeros.
  void skip(std::size_t count) { take(count); }

  /// The next `count` bytes, for a part that is written by itself.
  std::span<std::byte> take(std::size_t count) {
    if (count > rest_.size()) throw std::logic_error("HDF5 metadata is longer than its place");
    const auto taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

 private:
  template <class T>
  void put(T value) {
    std::memcpy(take(sizeof value).data(), &value, sizeof value);
  }

  std::span<std::byte> rest_;
};

/// HDF5 lays most things out in multiples of eight bytes.
constexpr std::uint64_t round_up_to_8(std::uint64_t size) {
  return (size + 7) / 8 * 8;
}

}  // namespace lamina::h5

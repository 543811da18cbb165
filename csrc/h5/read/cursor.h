#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "h5/format.h"
#include "h5/read/malformed.h"

namespace lamina::h5 {

/// Bytes that the file gives to an address and to a length.
struct Widths {
  std::uint8_t offset = 8;
  std::uint8_t length = 8;
};

/// Reads little-endian fields one after the other; throws Malformed rather than pass the end.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : rest_(bytes) {}

  [[nodiscard]] std::size_t remaining() const { return rest_.size(); }

  std::span<const std::byte> take(std::size_t count) {
    if (count > rest_.size()) malformed("metadata ends early");
    const auto taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  void skip(std::size_t count) { take(count); }

  /// An unsigned integer of 1 to 8 bytes.
  std::uint64_t uint(std::size_t width) {
    if (width == 0 || width > 8) malformed("an integer of {} bytes", width);
    std::uint64_t value = 0;
    std::memcpy(&value, take(width).data(), width);
    return value;
  }
  std::uint8_t u8() { return static_cast<std::uint8_t>(uint(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(uint(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(uint(4)); }
  std::uint64_t u64() { return uint(8); }

  std::uint64_t length(Widths widths) { return uint(widths.length); }
  std::uint64_t address(Widths widths) {
    const std::uint64_t value = uint(widths.offset);
    return value == kUndefined >> (64 - 8 * widths.offset) ? kUndefined : value;
  }

  /// Throws unless the next four bytes are `signature`.
  void expect(const char (&signature)[5]) {
    if (std::memcmp(take(4).data(), signature, 4) != 0)
      malformed("no {} block where one should be", signature);
  }
  /// Throws unless the next byte, the version of `what`, is `version`.
  void expect_version(unsigned version, const char* what) {
    if (const unsigned found = u8(); found != version)
      malformed("version {} of {} is not known", found, what);
  }
  /// Text of `count` bytes, cut at its first NUL.
  std::string text(std::size_t count) {
    const auto bytes = take(count);
    const auto* begin = reinterpret_cast<const char*>(bytes.data());
    return std::string(begin, ::strnlen(begin, count));
  }

 private:
  std::span<const std::byte> rest_;
};

}  // namespace lamina::h5

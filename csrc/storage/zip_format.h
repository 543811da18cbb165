#pragma once
#include <cstddef>
#include <cstdint>

// PKWARE's APPNOTE, as far as reading and writing share it.
namespace lamina::storage::zip {

inline constexpr std::uint32_t kLocalHeader = 0x04034b50;
inline constexpr std::uint32_t kCentralHeader = 0x02014b50;
inline constexpr std::uint32_t kEnd = 0x06054b50;
inline constexpr std::uint32_t kEnd64 = 0x06064b50;
inline constexpr std::uint32_t kEnd64Locator = 0x07064b50;
inline constexpr std::size_t kLocalHeaderBytes = 30;
inline constexpr std::size_t kCentralHeaderBytes = 46;
inline constexpr std::size_t kEndBytes = 22;
inline constexpr std::size_t kEnd64Bytes = 56;
inline constexpr std::size_t kEnd64LocatorBytes = 20;
/// In the place of a number that does not fit and stands in a ZIP64 field.
inline constexpr std::uint32_t kIsIn64 = 0xffffffff;
/// The kind of extra field that holds these.
inline constexpr std::uint16_t kField64 = 1;

}  // namespace lamina::storage::zip

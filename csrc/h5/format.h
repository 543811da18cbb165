#pragma once
// What the format says to those who write it and those who read it.
#include <cstddef>
#include <cstdint>

namespace lamina::h5 {

/// HDF5's undefined address, whatever the width that the file gives to addresses.
inline constexpr std::uint64_t kUndefined = ~std::uint64_t{0};

/// Of a link.
inline constexpr std::size_t kLongestName = 4096;

/// Of an object header's messages.
enum class MessageType : std::uint16_t {
  kDataspace = 0x01,
  kLinkInfo = 0x02,
  kDatatype = 0x03,
  kOldFillValue = 0x04,
  kFillValue = 0x05,
  kLink = 0x06,
  kExternalFiles = 0x07,
  kDataLayout = 0x08,
  kFilterPipeline = 0x0b,
  kAttribute = 0x0c,
  kContinuation = 0x10,
  kSymbolTable = 0x11,
  kAttributeInfo = 0x15,
};

}  // namespace lamina::h5

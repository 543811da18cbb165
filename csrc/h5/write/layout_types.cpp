// "HDF5 File Format Specification", IV.A.2.d: the datatype message, version 1. The first byte has
// the version above the class; three of flags and four of the size follow in each.
#include "h5/write/layout_types.h"

namespace lamina::h5 {
namespace {

/// Little-endian; `flags` has the sign's place above the rule that the fraction's first bit is left
/// out. Bits: where the number begins, how many, where the exponent begins, how many, the same of
/// the fraction; then the exponent's bias.
constexpr std::uint8_t kFloat16[] = {0x11, 0x20, 15, 0, 2, 0,  0,  0, 0, 0,
                                     16,   0,    10, 5, 0, 10, 15, 0, 0, 0};
constexpr std::uint8_t kFloat32[] = {0x11, 0x20, 31, 0, 4, 0,  0,   0, 0, 0,
                                     32,   0,    23, 8, 0, 23, 127, 0, 0, 0};
constexpr std::uint8_t kFloat64[] = {0x11, 0x20, 63, 0,  8, 0,  0,    0, 0, 0,
                                     64,   0,    52, 11, 0, 52, 0xff, 3, 0, 0};

/// An opaque type. The tag must stay empty: h5py cannot read one with a tag.
constexpr std::uint8_t kBFloat16[] = {0x15, 0, 0, 0, 2, 0, 0, 0};

// Little-endian; the flag 8 is for a sign; where the number begins, how many bits.
constexpr std::uint8_t kInt8[] = {0x10, 8, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0};
constexpr std::uint8_t kInt16[] = {0x10, 8, 0, 0, 2, 0, 0, 0, 0, 0, 16, 0};
constexpr std::uint8_t kInt32[] = {0x10, 8, 0, 0, 4, 0, 0, 0, 0, 0, 32, 0};
constexpr std::uint8_t kInt64[] = {0x10, 8, 0, 0, 8, 0, 0, 0, 0, 0, 64, 0};
constexpr std::uint8_t kUInt8[] = {0x10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0};
constexpr std::uint8_t kUInt16[] = {0x10, 0, 0, 0, 2, 0, 0, 0, 0, 0, 16, 0};
constexpr std::uint8_t kUInt32[] = {0x10, 0, 0, 0, 4, 0, 0, 0, 0, 0, 32, 0};
constexpr std::uint8_t kUInt64[] = {0x10, 0, 0, 0, 8, 0, 0, 0, 0, 0, 64, 0};

/// h5py's: an enumeration of two names over int8.
constexpr std::uint8_t kBool[] = {0x18, 2,   0,   0,   1,   0, 0, 0,  // of two
                                  0x10, 8,   0,   0,   1,   0, 0, 0,  // int8
                                  0,    0,   8,   0,                  //
                                  'F',  'A', 'L', 'S', 'E', 0, 0, 0,  //
                                  'T',  'R', 'U', 'E', 0,   0, 0, 0,  //
                                  0,    1};

/// A sequence of bytes that is a text, ended by a zero, in UTF-8; sixteen bytes stand for it.
constexpr std::uint8_t kText[] = {0x19, 1, 1, 0, 16, 0, 0, 0,  //
                                  0x10, 0, 0, 0, 1,  0, 0, 0,  //
                                  0,    0, 8, 0};

}  // namespace

std::span<const std::uint8_t> type_bytes(DType dtype) {
  switch (dtype) {
#define LAMINA_DTYPE(enumerator, name, type, bits, floating) \
  case DType::enumerator:                                    \
    return enumerator;
#include <lamina/dtype.def>
#undef LAMINA_DTYPE
  }
  __builtin_unreachable();
}

std::span<const std::uint8_t> text_type() {
  return kText;
}

}  // namespace lamina::h5

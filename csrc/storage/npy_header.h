#pragma once
#include <lamina/tensor.h>

#include <cstddef>
#include <span>
#include <string>

namespace lamina::storage {

/// What stands in front of an `.npy` file's elements.
struct NpyHeader {
  DType dtype = DType::kFloat32;
  bool big_endian = false;
  bool fortran_order = false;
  Shape shape;
  std::size_t data_offset = 0;  ///< bytes before the first element
};

/// Bytes at the start of a file that are enough for `parse_npy_header` on any file it accepts.
inline constexpr std::size_t kNpyHeaderBytes = 12 + 65535;

/// Reads the header (format versions 1, 2 and 3) out of the first bytes of a file of `file_size`
/// bytes. bool, int8..64, uint8..64, float16/32/64 in either byte order, and bfloat16 as ml_dtypes
/// stores it ('<V2'). Throws FormatError naming `file` for a header that is malformed, names
/// another type, or does not agree with the file's size.
[[nodiscard]] NpyHeader parse_npy_header(std::span<const std::byte> start, std::size_t file_size,
                                         const std::string& file);

}  // namespace lamina::storage

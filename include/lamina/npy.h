#pragma once
#include <lamina/tensor.h>

#include <filesystem>

namespace lamina {

/// The array as a row-major tensor in native byte order, whatever order the file has.
/// numpy's format versions 1 to 3; bool, int8..64, uint8..64, float16/32/64, and bfloat16 as
/// ml_dtypes stores it. Throws FileNotFoundError, StorageError, FormatError.
[[nodiscard]] Tensor read_npy(const std::filesystem::path& path);

/// Writes format version 1, row-major, little-endian. Throws StorageError.
void write_npy(const std::filesystem::path& path, const Tensor& tensor);

}  // namespace lamina

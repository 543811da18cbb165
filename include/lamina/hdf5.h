#pragma once
#include <lamina/tensor.h>

#include <filesystem>
#include <string>

namespace lamina {

/// A dataset of an HDF5 file, such as h5py writes: "images", "train/images". Contiguous, chunked or
/// compressed, in any byte order; bool, int8..64, uint8..64, float16/32/64. Throws
/// FileNotFoundError, StorageError, FormatError for a file that is damaged or has no such dataset
/// or one of another type.
[[nodiscard]] Tensor read_hdf5(const std::filesystem::path& path, const std::string& dataset);

}  // namespace lamina

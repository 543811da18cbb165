#pragma once
#include <lamina/tensor.h>

#include <string>
#include <vector>

namespace lamina::cli {

/// What users write where an array is read.
inline constexpr const char* kArray = "X.npy|X.h5:DATASET";

/// Arrays by `x.npy`, or `file.h5:images` for a dataset of an HDF5 file. Throws what `read_npy` and
/// `read_hdf5` throw.
[[nodiscard]] std::vector<Tensor> read_arrays(const std::vector<std::string>& names);

}  // namespace lamina::cli

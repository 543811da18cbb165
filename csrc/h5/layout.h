#pragma once
#include <lamina/dtype.h>
#include <lamina/shape.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace lamina::h5 {

struct LayoutDataset {
  std::string key;
  Shape shape;
  DType dtype;
};

/// A `vars` group to be written, with the attribute `name` when `has_name`.
struct LayoutGroup {
  std::string path;
  std::string name;
  bool has_name = true;
  std::vector<LayoutDataset> datasets;
};

/// A piece of HDF5's own bytes and where it belongs.
struct MetadataBlock {
  std::uint64_t offset;
  std::vector<std::byte> bytes;
};

/// A finished HDF5 file but for the tensors' bytes: write `metadata`, then each tensor at its
/// offset, in any order, and the file is one that h5py reads.
struct Layout {
  std::uint64_t file_size = 0;
  std::vector<MetadataBlock> metadata;  ///< ascending, not overlapping
  std::vector<std::vector<std::uint64_t>>
      offsets;  ///< per group, per dataset; 0 for an empty dataset
};

/// Sets HDF5 up, which its first use does otherwise. At the end of the process it is taken down
/// after everything that was made later.
void open_library();

/// Lays a file out: what HDF5 itself writes for these groups, with contiguous datasets, early
/// allocation and no fill (keras_format.md 3). Touches no file. Throws FormatError with HDF5's
/// message.
[[nodiscard]] Layout make_layout(const std::vector<LayoutGroup>& groups);

}  // namespace lamina::h5

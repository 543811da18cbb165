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

/// A finished HDF5 file but for the tensors' bytes: write `metadata` at its beginning, then each
/// tensor at its offset, in any order, and the file is one that h5py reads.
struct Layout {
  std::uint64_t file_size = 0;
  std::vector<std::byte> metadata;
  /// Per group, per dataset; 0 for an empty dataset. Behind the metadata come, where they are to be
  /// aligned, the tensors of 1 MiB and more, each at a multiple of 4096; then all others without
  /// gaps; both in the order given.
  std::vector<std::vector<std::uint64_t>> offsets;
};

/// Lays a file out as h5py does for Keras: symbol tables, contiguous datasets, early allocation,
/// no fill. Touches no file. Throws FormatError for what HDF5 cannot hold: two objects
/// of one name, more than 32 dimensions, names that are empty, ".", or longer than 4096 bytes.
[[nodiscard]] Layout make_layout(const std::vector<LayoutGroup>& groups, bool align = true);

}  // namespace lamina::h5

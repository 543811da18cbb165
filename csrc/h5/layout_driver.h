#pragma once
#include "h5/layout_handle.h"
#include "h5/layout_image.h"

namespace lamina::h5 {

/// What HDF5 made of a file through the driver: its own bytes, and where the file ends.
struct DriverOutput {
  SparseImage image;
  std::uint64_t end = 0;
};

/// A file access property list that sends a file's bytes to memory: HDF5 allocates space for raw
/// data there without writing it, so laying out a terabyte costs its metadata only.
class LayoutDriver {
 public:
  /// `output` must outlive every file opened through `access()`.
  explicit LayoutDriver(DriverOutput& output);
  [[nodiscard]] hid_t access() const noexcept { return access_.get(); }

 private:
  Handle driver_;
  Handle access_;
};

}  // namespace lamina::h5

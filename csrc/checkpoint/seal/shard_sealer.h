#pragma once
#include <deque>

#include "checkpoint/seal/file_gaps.h"
#include "checkpoint/seal/seal.h"
#include "checkpoint/transfer/tensor_checksum.h"
#include "storage/storage.h"

namespace lamina::checkpoint {

/// Collects what a file's seal says while its tensors are written, and writes it.
class ShardSealer {
 public:
  /// `layout` has the group of the seal as its last one, and lives as long as this; `tensors` are
  /// where it puts them, in any order.
  ShardSealer(const h5::Layout& layout, const std::vector<FileRange>& tensors, Seal seal);

  /// Of the i-th of the tensors; takes its bytes.
  [[nodiscard]] TensorChecksum* checksum(std::size_t i) { return &checksums_[i]; }
  /// With the mark behind what HDF5 laid out.
  [[nodiscard]] std::uint64_t file_size() const;
  /// Once all tensors are written.
  void write(storage::WritableFile& file) const;

 private:
  const h5::Layout& layout_;
  Seal seal_;
  std::deque<TensorChecksum> checksums_;
  std::vector<std::size_t> order_;  // of the tensors in the file
};

}  // namespace lamina::checkpoint

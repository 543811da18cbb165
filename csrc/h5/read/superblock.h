#pragma once
#include <cstdint>
#include <string>

#include "h5/read/cursor.h"
#include "storage/storage.h"

namespace lamina::h5 {

struct Superblock {
  std::uint64_t start = 0;  ///< where it lies: all addresses of the file count from here
  std::uint64_t size = 0;   ///< bytes that are HDF5's, from `start` on
  std::uint64_t room = 0;   ///< bytes of the file from `start` on
  std::uint64_t root = 0;   ///< address of the root group's object header
  Widths widths;
  std::string truncation;  ///< HDF5's words ("truncated file") for a file that ends too early
};

/// Finds and reads the superblock (versions 0 to 3) in `size` bytes at `base`. Throws Malformed
/// with HDF5's words: "file signature not found".
[[nodiscard]] Superblock read_superblock(const storage::ReadableFile& file, std::uint64_t base,
                                         std::uint64_t size);

}  // namespace lamina::h5

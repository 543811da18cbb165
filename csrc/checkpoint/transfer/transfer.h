#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "checkpoint/transfer/byte_progress.h"
#include "checkpoint/transfer/tensor_checksum.h"
#include "storage/storage.h"

namespace lamina::checkpoint {

/// Bytes in memory and their place in a file.
struct WriteExtent {
  storage::WritableFile* file;
  std::uint64_t offset;
  std::span<const std::byte> bytes;
  TensorChecksum* checksum = nullptr;  ///< takes the bytes as they are written
};

struct ReadExtent {
  const storage::ReadableFile* file;
  std::uint64_t offset;
  std::span<std::byte> bytes;
  TensorChecksum* checksum = nullptr;  ///< takes the bytes as they are read
};

/// Moves the bytes with several threads; large extents are divided among them. `file_written` is
/// called for each file when all of its extents are written and in their checksums, on the thread
/// that wrote the last one: there is time to sync it while the others go on with the next. May
/// throw. The extents of a file follow each other.
void write_extents(const std::vector<WriteExtent>& extents, ByteProgress& progress,
                   const std::function<void(storage::WritableFile&)>& file_written = {});
void read_extents(const std::vector<ReadExtent>& extents, ByteProgress& progress);

}  // namespace lamina::checkpoint

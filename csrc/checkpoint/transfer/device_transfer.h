#pragma once
#include <functional>
#include <span>
#include <stop_token>

#include "checkpoint/transfer/byte_progress.h"
#include "checkpoint/transfer/tensor_checksum.h"
#include "checkpoint/transfer/timeline.h"
#include "runtime/pinned_ring.h"
#include "storage/storage.h"

namespace lamina::checkpoint {

/// Bytes of a device and their place in a file. transfer.h does the same for bytes of the host,
/// which need no slot.
struct DeviceWrite {
  storage::WritableFile* file;
  std::uint64_t offset;
  const std::byte* from;
  std::size_t size;
  TensorChecksum* checksum = nullptr;  ///< takes the bytes as they are written
};

struct DeviceRead {
  const storage::ReadableFile* file;
  std::uint64_t offset;
  std::byte* to;
  std::size_t size;
  TensorChecksum* checksum = nullptr;  ///< takes the bytes as they are read
};

/// How values of a device travel through its ring.
struct DeviceTravel {
  Timeline* timeline = nullptr;  ///< keeps what happened when
  std::size_t threads = 0;       ///< at the files; 0: one a slot, within io_threads()
};

struct DeviceTransferOptions {
  /// The first copy waits for these on the device: what made the weights, or used the memory.
  std::span<const runtime::Event* const> after = {};
  std::stop_token stop = {};  ///< calls the transfer off
  /// Called when the device's memory is no longer read, though bytes may still be on their way to
  /// the files. Called only when every copy succeeded, on the caller's thread.
  std::function<void()> copied = {};
  /// Called for each file when the last of its extents is written, on the thread that wrote it,
  /// which holds no slot: there is time to sync while the other slots move on. May throw.
  std::function<void(storage::WritableFile&)> file_written = {};
  Timeline* timeline = nullptr;
  std::size_t threads = 0;  ///< at the files; 0: one a slot, within io_threads()
};

/// Moves the bytes through the ring on a stream of their own: copies of one slot run while others
/// are at their files. Extents are cut and gathered to fill slots, neighbours in a file make one
/// call. The memory used is the ring's.
/// Both return when nothing is under way any more, whatever happened: they throw the first failure
/// (DeviceError, StorageError, FormatError), or CancelledError. What was written then, or read,
/// is of no use.
void write_from_device(std::span<const DeviceWrite> extents, runtime::PinnedRing& ring,
                       ByteProgress& progress, const DeviceTransferOptions& options = {});
void read_to_device(std::span<const DeviceRead> extents, runtime::PinnedRing& ring,
                    ByteProgress& progress, const DeviceTransferOptions& options = {});

}  // namespace lamina::checkpoint

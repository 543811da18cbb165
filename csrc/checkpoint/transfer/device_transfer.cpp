#include "checkpoint/transfer/device_transfer.h"

#include <algorithm>
#include <atomic>
#include <unordered_map>

#include "checkpoint/transfer/device_run.h"

namespace lamina::checkpoint {
namespace {

template <class Extent>
std::vector<FilePlace> places_of(std::span<const Extent> extents) {
  std::vector<FilePlace> out;
  out.reserve(extents.size());
  for (const Extent& extent : extents) out.push_back({extent.file, extent.offset, extent.size});
  return out;
}

/// Hands the bytes of a run, which come in order, to the checksums of the tensors they are of.
template <class Extent>
class RunChecksums {
 public:
  RunChecksums(std::span<const Extent> extents, const Run& run, const Chunk& chunk)
      : extents_(extents), pieces_(pieces_of(run, chunk)) {}

  [[nodiscard]] bool wanted() const {
    return std::any_of(pieces_.begin(), pieces_.end(), [&](const Piece& piece) {
      return extents_[piece.place].checksum != nullptr;
    });
  }
  void add(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const Piece& piece = pieces_.front();
      const std::size_t size = std::min(bytes.size(), piece.size - done_);
      TensorChecksum* checksum = extents_[piece.place].checksum;
      if (checksum != nullptr) checksum->add(piece.place_offset + done_, bytes.first(size));
      bytes = bytes.subspan(size);
      done_ += size;
      if (done_ < piece.size) continue;
      pieces_ = pieces_.subspan(1);
      done_ = 0;
    }
  }

 private:
  std::span<const Extent> extents_;
  std::span<const Piece> pieces_;
  std::size_t done_ = 0;  // of the first piece
};

/// Filled slots on their way to who empties them; the ring bounds it.
class FilledSlots {
 public:
  struct Entry {
    runtime::PinnedRing::Lease slot;
    const Chunk* chunk;
  };
  /// That to push a slot cannot fail: there is a copy on it.
  explicit FilledSlots(std::size_t most) { entries_.reserve(most); }
  void push(Entry entry) noexcept {
    {
      const std::lock_guard lock(mutex_);
      entries_.push_back(std::move(entry));
    }
    changed_.notify_one();
  }
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
  }
  /// Nothing once closed and empty.
  std::optional<Entry> pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || !entries_.empty(); });
    if (entries_.empty()) return std::nullopt;
    Entry entry = std::move(entries_.front());
    entries_.erase(entries_.begin());
    return entry;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Entry> entries_;
  bool closed_ = false;
};

class Writing {
 public:
  Writing(std::span<const DeviceWrite> extents, DeviceRun& run, ByteProgress& progress,
          const DeviceTransferOptions& options)
      : extents_(extents), run_(run), progress_(progress), options_(options), filled_(run.slots()) {
    for (const DeviceWrite& extent : extents) left_[extent.file] += extent.size;
  }

  /// The caller's part: a copy as soon as there is a slot.
  void fill() {
    try {
      for (const Chunk& chunk : run_.chunks()) {
        runtime::PinnedRing::Lease slot = run_.take_slot();
        if (!slot) break;
        fill_one(std::move(slot), chunk);
      }
      run_.all_copied();
    } catch (...) {
      run_.fail(std::current_exception());
    }
    filled_.close();
  }
  /// Each thread's part.
  void drain() {
    while (auto entry = filled_.pop()) {
      try {
        if (!run_.stopped()) write(*entry->slot.operator->(), *entry->chunk);
        if (run_.stopped()) {
          run_.abandon(std::move(entry->slot));
          continue;
        }
        { const auto handed_back = std::move(entry->slot); }
        announce_written(*entry->chunk);
      } catch (...) {
        run_.fail(std::current_exception(), std::move(entry->slot));
      }
    }
  }

 private:
  void fill_one(runtime::PinnedRing::Lease slot, const Chunk& chunk) {
    try {
      std::vector<runtime::Copy> copies;
      copies.reserve(chunk.pieces.size());
      for (const Piece& piece : chunk.pieces) {
        copies.push_back({slot->memory->address() + piece.slot_offset,
                          extents_[piece.place].from + piece.place_offset, piece.size});
      }
      run_.copy(*slot.operator->(), copies);
    } catch (...) {
      run_.fail(std::current_exception(), std::move(slot));
      return;
    }
    filled_.push({std::move(slot), &chunk});
  }
  void write(const runtime::PinnedRing::Slot& slot, const Chunk& chunk) {
    run_.wait_copied(slot, chunk);
    for (const Run& run : chunk.runs) {
      if (run_.stopped()) return;
      const auto access = slot.memory->read(run.slot_offset, run.size);
      RunChecksums(extents_, run, chunk).add(access.bytes());
      run_.at_file(slot, run,
                   [&] { extents_[run.place].file->write_at(run.file_offset, access.bytes()); });
      progress_.add(run.size);
    }
  }
  void announce_written(const Chunk& chunk) {
    for (const Run& run : chunk.runs) {
      storage::WritableFile& file = *extents_[run.place].file;
      if ((left_.at(&file) -= run.size) == 0 && options_.file_written) options_.file_written(file);
    }
  }

  std::span<const DeviceWrite> extents_;
  DeviceRun& run_;
  ByteProgress& progress_;
  const DeviceTransferOptions& options_;
  std::unordered_map<const storage::WritableFile*, std::atomic<std::uint64_t>> left_;
  FilledSlots filled_;
};

class Reading {
 public:
  Reading(std::span<const DeviceRead> extents, DeviceRun& run, ByteProgress& progress)
      : extents_(extents), run_(run), progress_(progress), filled_(run.slots()) {}

  /// Each thread's part: a read as soon as there is a slot.
  void fill() {
    for (std::size_t i = next_++; i < run_.chunks().size(); i = next_++) {
      runtime::PinnedRing::Lease slot = run_.take_slot();
      if (!slot) return;
      fill_one(std::move(slot), run_.chunks()[i]);
    }
  }
  /// The part of one more thread: hands the slots back whose copies are done.
  void drain() {
    while (auto entry = filled_.pop()) {
      try {
        run_.wait_copied(*entry->slot.operator->(), *entry->chunk);
      } catch (...) {
        run_.fail(std::current_exception(), std::move(entry->slot));
      }
    }
  }
  void close() { filled_.close(); }

 private:
  void fill_one(runtime::PinnedRing::Lease slot, const Chunk& chunk) {
    try {
      read(*slot.operator->(), chunk);
      run_.copy(*slot.operator->(), copies(*slot.operator->(), chunk));
    } catch (...) {
      run_.fail(std::current_exception(), std::move(slot));
      return;
    }
    filled_.push({std::move(slot), &chunk});
  }
  void read(runtime::PinnedRing::Slot& slot, const Chunk& chunk) {
    for (const Run& run : chunk.runs) {
      const auto access = slot.memory->write(run.slot_offset, run.size);
      RunChecksums checksums(extents_, run, chunk);
      const storage::ReadableFile& file = *extents_[run.place].file;
      run_.at_file(slot, run, [&] {
        if (!checksums.wanted()) return file.read_at(run.file_offset, access.bytes());
        file.read_and_show(run.file_offset, access.bytes(),
                           [&](auto bytes) { checksums.add(bytes); });
      });
      progress_.add(run.size);
    }
  }
  [[nodiscard]] std::vector<runtime::Copy> copies(const runtime::PinnedRing::Slot& slot,
                                                  const Chunk& chunk) const {
    std::vector<runtime::Copy> out;
    out.reserve(chunk.pieces.size());
    for (const Piece& piece : chunk.pieces) {
      out.push_back({extents_[piece.place].to + piece.place_offset,
                     slot.memory->address() + piece.slot_offset, piece.size});
    }
    return out;
  }

  std::span<const DeviceRead> extents_;
  DeviceRun& run_;
  ByteProgress& progress_;
  FilledSlots filled_;
  std::atomic<std::size_t> next_ = 0;
};

struct Closing {
  Reading& reading;
  ~Closing() { reading.close(); }
};

}  // namespace

void write_from_device(std::span<const DeviceWrite> extents, runtime::PinnedRing& ring,
                       ByteProgress& progress, const DeviceTransferOptions& options) {
  const std::vector<FilePlace> places = places_of(extents);
  DeviceRun run(plan_chunks(places, ring.slot_bytes()), places, ring, options);
  Writing writing(extents, run, progress, options);
  run.run_threads([&] { writing.drain(); }, [&] { writing.fill(); });
  run.finish();
}

void read_to_device(std::span<const DeviceRead> extents, runtime::PinnedRing& ring,
                    ByteProgress& progress, const DeviceTransferOptions& options) {
  const std::vector<FilePlace> places = places_of(extents);
  DeviceRun run(plan_chunks(places, ring.slot_bytes()), places, ring, options);
  Reading reading(extents, run, progress);
  {
    const ThreadPool drain(1, [&] { reading.drain(); });
    const Closing closing{reading};  // before the thread is joined, whatever happens
    if (run.has_threads(drain)) run.run_threads([&] { reading.fill(); }, [] {});
  }
  run.finish();
  if (options.copied) options.copied();
}

}  // namespace lamina::checkpoint

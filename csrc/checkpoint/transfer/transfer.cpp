#include "checkpoint/transfer/transfer.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "checkpoint/transfer/background_sums.h"
#include "checkpoint/transfer/gather.h"
#include "checkpoint/transfer/parallel.h"
#include "core/buffer.h"
#include "core/crc32c.h"
#include "core/direct_io.h"
#include "core/per_process.h"

namespace lamina::checkpoint {
namespace {

constexpr std::size_t kPart = std::size_t{16} << 20;   // of one read
constexpr std::size_t kStep = std::size_t{256} << 10;  // stays in a core's own cache

using core::kDirectAlignment;
using core::kSmallestDirect;

/// Where runs of several pieces are put together: a buffer for each thread that needs one, kept
/// from save to save, for to get memory and give it back takes longer than to fill it.
class GatherBuffers {
 public:
  /// A page-aligned buffer that is back in the hand of others when the caller lets it go.
  class Lease {
   public:
    explicit Lease(GatherBuffers& owner) : owner_(owner), buffer_(owner.take()) {}
    ~Lease() { owner_.put(std::move(buffer_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(buffer_.get()); }

   private:
    GatherBuffers& owner_;
    std::shared_ptr<void> buffer_;
  };

  GatherBuffers() { free_.reserve(write_threads()); }

 private:
  std::shared_ptr<void> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        std::shared_ptr<void> buffer = std::move(free_.back());
        free_.pop_back();
        return buffer;
      }
    }
    return core::allocate_host(kLongestGather + kDirectAlignment);
  }
  void put(std::shared_ptr<void> buffer) {
    const std::lock_guard lock(mutex_);
    if (free_.size() < free_.capacity()) free_.push_back(std::move(buffer));
  }

  std::mutex mutex_;
  std::vector<std::shared_ptr<void>> free_;
};

/// How many threads so many bytes are worth.
std::size_t threads_for(std::uint64_t bytes) {
  return static_cast<std::size_t>(
      std::min<std::uint64_t>(write_threads(), 1 + bytes / kLongestGather));
}

/// True when the run is written better from a buffer: it is in pieces, or large and does not lie in
/// memory as in the file's pages.
bool needs_buffer(const WriteRun& run) {
  if (run.pieces.size() > 1) return true;
  const auto address = reinterpret_cast<std::uintptr_t>(run.pieces.front().bytes.data());
  return run.size >= kSmallestDirect &&
         (run.offset % kDirectAlignment != 0 || address % kDirectAlignment != 0);
}

/// Copies the piece step by step, so that its checksum is taken of bytes that are in the caches.
/// Returns the end of the copy.
std::byte* copy(const WritePiece& piece, std::byte* to) {
  std::uint32_t checksum = 0;
  for (std::size_t at = 0; at < piece.bytes.size(); at += kStep) {
    const auto step = piece.bytes.subspan(at, std::min(kStep, piece.bytes.size() - at));
    std::memcpy(to + at, step.data(), step.size());
    if (piece.checksum != nullptr) checksum = core::crc32c({to + at, step.size()}, checksum);
  }
  if (piece.checksum != nullptr) piece.checksum->add(piece.offset, piece.bytes.size(), checksum);
  return to + piece.bytes.size();
}

/// Writes the run's bytes in a row, lying in memory as they do in the file's pages, so that all but
/// the ends can go past the page cache.
void write_gathered(const WriteRun& run, std::byte* buffer) {
  const std::size_t into_page = run.offset % kDirectAlignment;
  std::byte* at = buffer + into_page;
  for (const WritePiece& piece : run.pieces) at = copy(piece, at);
  run.file->write_at(run.offset, {buffer + into_page, run.size});
}

void write_run(const WriteRun& run) {
  if (needs_buffer(run)) {
    write_gathered(run, GatherBuffers::Lease(core::PerProcess<GatherBuffers>::get()).data());
  } else {
    run.file->write_at(run.offset, run.pieces.front().bytes);
  }
}

/// The runs of one file after those of another, in the order in which the extents come.
std::vector<WriteRun> runs_file_by_file(const std::vector<WriteExtent>& extents) {
  std::vector<WriteRun> runs;
  for (auto begin = extents.begin(); begin != extents.end();) {
    const auto end = std::find_if(begin, extents.end(), [&](const WriteExtent& extent) {
      return extent.file != begin->file;
    });
    std::vector<WriteRun> of_file = plan_runs({begin, end});
    std::move(of_file.begin(), of_file.end(), std::back_inserter(runs));
    begin = end;
  }
  return runs;
}

std::uint64_t total_size(const std::vector<WriteRun>& runs) {
  std::uint64_t sum = 0;
  for (const WriteRun& run : runs) sum += run.size;
  return sum;
}

/// How many runs of each file are not written yet. Safe from several threads.
class RunsLeft {
 public:
  explicit RunsLeft(const std::vector<WriteRun>& runs) {
    for (const WriteRun& run : runs) ++left_[run.file];
  }
  /// Counts a run as written: true for the last one of its file.
  bool was_last(const WriteRun& run) { return --left_.at(run.file) == 0; }

 private:
  std::unordered_map<const storage::WritableFile*, std::atomic<std::size_t>> left_;
};

struct ReadPart {
  const ReadExtent* extent;
  std::size_t at;
  std::size_t size;
};

void read_part(const ReadPart& part, BackgroundSums& sums) {
  const ReadExtent& extent = *part.extent;
  const std::span<std::byte> out = extent.bytes.subspan(part.at, part.size);
  if (extent.checksum == nullptr) {
    extent.file->read_at(extent.offset + part.at, out);
    return;
  }
  std::size_t begin = part.at, at = part.at;  // [begin, at) is in `checksum`
  std::uint32_t checksum = 0;
  extent.file->read_and_show(extent.offset + part.at, out, [&](std::span<const std::byte> bytes) {
    if (bytes.size() >= kSmallestDirect) {  // came past the caches
      extent.checksum->add(begin, at - begin, std::exchange(checksum, 0));
      sums.add(*extent.checksum, at, bytes);
      begin = at + bytes.size();
    } else {
      checksum = core::crc32c(bytes, checksum);
    }
    at += bytes.size();
  });
  extent.checksum->add(begin, at - begin, checksum);
}

}  // namespace

void write_extents(const std::vector<WriteExtent>& extents, ByteProgress& progress,
                   const std::function<void(storage::WritableFile&)>& file_written) {
  const std::vector<WriteRun> runs = runs_file_by_file(extents);
  RunsLeft left(runs);
  const std::size_t threads = threads_for(total_size(runs));
  BackgroundSums sums;
  for (const WriteRun& run : runs) {
    const WritePiece& piece = run.pieces.front();
    if (piece.checksum == nullptr || needs_buffer(run)) continue;
    if (threads > 1) {
      sums.add(*piece.checksum, piece.offset, piece.bytes, run.file);
    } else {
      piece.checksum->add(piece.offset, piece.bytes);
    }
  }
  parallel_for(runs.size(), threads, [&](std::size_t i) {
    const WriteRun& run = runs[i];
    write_run(run);
    progress.add(run.size);
    if (!left.was_last(run)) return;
    sums.finish(run.file);
    if (file_written) file_written(*run.file);
  });
}

void read_extents(const std::vector<ReadExtent>& extents, ByteProgress& progress) {
  std::vector<ReadPart> parts;
  for (const ReadExtent& extent : extents) {
    for (std::size_t at = 0; at < extent.bytes.size(); at += kPart) {
      parts.push_back({&extent, at, std::min(kPart, extent.bytes.size() - at)});
    }
  }
  BackgroundSums sums;
  parallel_for(parts.size(), io_threads(), [&](std::size_t i) {
    read_part(parts[i], sums);
    progress.add(parts[i].size);
  });
  sums.finish();
}

}  // namespace lamina::checkpoint

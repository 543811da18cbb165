#include "h5/read/filter.h"

#include <zlib.h>

#include <limits>

#include "h5/read/checksum.h"
#include "h5/read/cursor.h"

namespace lamina::h5 {
namespace {

constexpr unsigned kMostFilters = 32;
constexpr std::size_t kChecksumSize = 4;

Filter read_filter(Cursor& cursor, unsigned version) {
  const unsigned id = cursor.u16();
  const bool named = version == 1 || id >= 256;
  const std::size_t name_length = named ? cursor.u16() : 0;
  cursor.skip(2);
  const std::size_t value_count = cursor.u16();
  const std::string name = cursor.text(version == 1 ? (name_length + 7) / 8 * 8 : name_length);
  Cursor values(cursor.take(4 * value_count));
  if (version == 1 && value_count % 2 != 0) cursor.skip(4);
  switch (id) {
    case 1:
      return {Filter::Kind::kDeflate};
    case 2: {
      if (value_count == 0) malformed("a shuffle filter without an element size");
      return {Filter::Kind::kShuffle, values.u32()};
    }
    case 3:
      return {Filter::Kind::kFletcher32};
    case 32000:
      return {Filter::Kind::kLzf};
    default:
      malformed("the filter {} \"{}\" is not supported", id, name);
  }
}

std::vector<std::byte> check_fletcher32(std::vector<std::byte> bytes) {
  if (bytes.size() < kChecksumSize) malformed("a chunk is too short for its checksum");
  const std::size_t size = bytes.size() - kChecksumSize;
  const std::uint32_t stored = Cursor(std::span(bytes).subspan(size)).u32();
  const std::uint32_t sum = fletcher32(std::span(bytes).first(size));
  // HDF5 1.6.2 and before swapped the bytes of each half.
  const std::uint32_t swapped = (sum & 0x00ff00ff) << 8 | (sum >> 8 & 0x00ff00ff);
  if (stored != sum && stored != swapped) malformed("a chunk's checksum does not match");
  bytes.resize(size);
  return bytes;
}

std::vector<std::byte> unshuffle(const std::vector<std::byte>& bytes, std::size_t element) {
  std::vector<std::byte> result(bytes);
  if (element < 2 || element > bytes.size()) return result;  // what a file says may be anything
  const std::size_t count = bytes.size() / element;
  for (std::size_t byte = 0; byte < element; ++byte) {
    const std::byte* plane = bytes.data() + byte * count;
    for (std::size_t i = 0; i < count; ++i) result[i * element + byte] = plane[i];
  }
  return result;
}

struct Inflater {
  z_stream stream{};
  Inflater() {
    if (inflateInit(&stream) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

/// At most `limit` bytes. Chunks are below 4 GiB, as zlib's counters are.
std::vector<std::byte> inflate_chunk(std::vector<std::byte>& bytes, std::size_t limit) {
  constexpr std::size_t kMost = std::numeric_limits<uInt>::max();
  if (bytes.size() > kMost || limit > kMost) malformed("a chunk of 4 GiB or more");
  std::vector<std::byte> result(limit);
  Inflater inflater;
  z_stream& stream = inflater.stream;
  stream.next_in = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(limit);
  if (const int status = inflate(&stream, Z_FINISH); status != Z_STREAM_END) {
    malformed("a chunk cannot be decompressed (zlib: {})", status == Z_BUF_ERROR   ? "wrong length"
                                                           : stream.msg != nullptr ? stream.msg
                                                                                   : "error");
  }
  result.resize(limit - stream.avail_out);
  return result;
}

/// At most `limit` bytes of what h5py's own compression leaves: runs of bytes as they are, and
/// references to earlier ones, which may overlap what they give.
std::vector<std::byte> expand_lzf(std::span<const std::byte> bytes, std::size_t limit) {
  constexpr unsigned kLongestRun = 32, kLongSize = 7;
  std::vector<std::byte> result;
  result.reserve(limit);
  Cursor cursor(bytes);
  while (cursor.remaining() > 0) {
    const unsigned control = cursor.u8();
    const bool is_run = control < kLongestRun;
    std::size_t size = is_run ? control + 1 : control >> 5;
    if (!is_run) size += 2 + (size == kLongSize ? cursor.u8() : 0);
    if (size > limit - result.size()) malformed("a chunk cannot be decompressed (LZF: too long)");
    if (is_run) {
      const auto run = cursor.take(size);
      result.insert(result.end(), run.begin(), run.end());
      continue;
    }
    const std::size_t back = ((control & 31) << 8 | cursor.u8()) + 1;
    if (back > result.size()) malformed("a chunk cannot be decompressed (LZF: no such bytes)");
    for (; size > 0; --size) result.push_back(result[result.size() - back]);
  }
  return result;
}

}  // namespace

Pipeline read_pipeline(std::span<const std::byte> message) {
  Cursor cursor(message);
  const unsigned version = cursor.u8();
  if (version != 1 && version != 2)
    malformed("version {} of a filter pipeline is not known", version);
  const unsigned count = cursor.u8();
  if (count > kMostFilters) malformed("a pipeline of {} filters", count);
  if (version == 1) cursor.skip(6);
  Pipeline pipeline;
  for (unsigned i = 0; i < count; ++i) pipeline.push_back(read_filter(cursor, version));
  return pipeline;
}

std::vector<std::byte> undo_filters(const Pipeline& pipeline, std::uint32_t skipped,
                                    std::vector<std::byte> stored, std::size_t size) {
  // Between filters there may be checksums beside the data, and data that deflate could not shrink.
  const std::size_t limit = size + size / 8 + 1024;
  for (std::size_t i = pipeline.size(); i-- > 0;) {
    if (skipped >> i & 1) continue;
    switch (pipeline[i].kind) {
      case Filter::Kind::kDeflate:
        stored = inflate_chunk(stored, limit);
        break;
      case Filter::Kind::kShuffle:
        stored = unshuffle(stored, pipeline[i].element);
        break;
      case Filter::Kind::kFletcher32:
        stored = check_fletcher32(std::move(stored));
        break;
      case Filter::Kind::kLzf:
        stored = expand_lzf(stored, limit);
        break;
    }
  }
  if (stored.size() != size) malformed("a chunk holds {} bytes instead of {}", stored.size(), size);
  return stored;
}

}  // namespace lamina::h5

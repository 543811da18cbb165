#include "storage/zip_member.h"

#include <fmt/format.h>
#include <lamina/error.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "storage/memory_file.h"
#include "storage/zip_format.h"

namespace lamina::storage {
namespace {

using namespace zip;

constexpr std::size_t kLongestComment = 0xffff;
constexpr std::uint64_t kLargestDirectory = std::uint64_t{16} << 20;
// Weights hardly shrink: what grows a hundredfold to more than this is a bomb.
constexpr std::uint64_t kSuspiciousSize = std::uint64_t{64} << 20;
constexpr std::uint64_t kSuspiciousRatio = 100;

struct Entry {
  unsigned flags = 0;
  unsigned method = 0;
  std::uint32_t crc = 0;
  std::uint64_t stored = 0;
  std::uint64_t size = 0;
  std::uint64_t header = 0;
};

template <class T>
T number(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

class Archive {
 public:
  explicit Archive(const ReadableFile& file) : file_(file) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw FormatError("'" + file_.path().string() + "': " + what);
  }

  std::vector<std::byte> read(std::uint64_t offset, std::uint64_t bytes) const {
    if (offset > file_.size() || bytes > file_.size() - offset) fail("the archive is cut short");
    std::vector<std::byte> out(bytes);
    file_.read_at(offset, out);
    return out;
  }

  /// Of several members of one name the last: to change a member, one is appended.
  Entry find(const std::string& name) const {
    const auto [directory, shift] = read_directory();
    std::optional<Entry> found;
    for (std::size_t at = 0; at < directory.size();) {
      const std::byte* header = directory.data() + at;
      if (directory.size() - at < kCentralHeaderBytes) fail("Truncated central directory");
      if (number<std::uint32_t>(header) != kCentralHeader) {
        fail("Bad magic number for central directory");
      }
      const std::size_t name_bytes = number<std::uint16_t>(header + 28);
      const std::size_t extra_bytes = number<std::uint16_t>(header + 30);
      const std::size_t total =
          kCentralHeaderBytes + name_bytes + extra_bytes + number<std::uint16_t>(header + 32);
      if (total > directory.size() - at) fail("Truncated central directory");
      const std::string_view entry_name(reinterpret_cast<const char*>(header + kCentralHeaderBytes),
                                        name_bytes);
      if (entry_name == name)
        found = entry(header, {header + kCentralHeaderBytes + name_bytes, extra_bytes});
      at += total;
    }
    if (found) {
      found->header += shift;
      return *found;
    }
    fail("There is no item named '" + name + "' in the archive");
  }

  /// Where the bytes of the member of this name begin.
  std::uint64_t data_offset(const Entry& entry, const std::string& name) const {
    const std::vector<std::byte> header = read(entry.header, kLocalHeaderBytes);
    if (number<std::uint32_t>(header.data()) != kLocalHeader) {
      fail(fmt::format("Bad magic number for file header of '{}'", name));
    }
    const std::size_t name_bytes = number<std::uint16_t>(&header[26]);
    const std::vector<std::byte> named = read(entry.header + kLocalHeaderBytes, name_bytes);
    if (std::string_view(reinterpret_cast<const char*>(named.data()), name_bytes) != name) {
      fail(fmt::format("File name in directory '{}' and header differ", name));
    }
    return entry.header + kLocalHeaderBytes + name_bytes + number<std::uint16_t>(&header[28]);
  }

 private:
  struct Directory {
    std::vector<std::byte> bytes;
    std::uint64_t shift;  ///< to be added to all offsets: what was put before the archive
  };

  /// As Python's zipfile it goes by where the directory ends, and not by where it says it begins.
  Directory read_directory() const {
    if (file_.size() < kEndBytes) fail("File is not a zip file");
    const std::uint64_t tail = std::min<std::uint64_t>(file_.size(), kEndBytes + kLongestComment);
    const std::vector<std::byte> bytes = read(file_.size() - tail, tail);
    for (std::size_t at = bytes.size() - kEndBytes + 1; at-- > 0;) {
      if (number<std::uint32_t>(&bytes[at]) != kEnd) continue;
      std::uint64_t end = file_.size() - tail + at;
      std::uint64_t size = number<std::uint32_t>(&bytes[at + 12]);
      std::uint64_t offset = number<std::uint32_t>(&bytes[at + 16]);
      read_end64(end, size, offset);
      if (size > end || offset > end - size) fail("Bad offset for central directory");
      if (size > kLargestDirectory) fail("the archive has too many members");
      return {read(end - size, size), end - size - offset};
    }
    fail("File is not a zip file");
  }

  /// Of an archive that has them: what ZIP64 adds, which lies between the directory and its `end`.
  void read_end64(std::uint64_t& end, std::uint64_t& size, std::uint64_t& offset) const {
    constexpr std::uint64_t kBytes = kEnd64Bytes + kEnd64LocatorBytes;
    if (end < kBytes) return;
    const std::vector<std::byte> record = read(end - kBytes, kBytes);
    if (number<std::uint32_t>(&record[kEnd64Bytes]) != kEnd64Locator) return;
    if (number<std::uint32_t>(record.data()) != kEnd64) fail("the archive's end is damaged");
    size = number<std::uint64_t>(&record[40]);
    offset = number<std::uint64_t>(&record[48]);
    end -= kBytes;
  }

  static Entry entry(const std::byte* header, std::span<const std::byte> extra) {
    Entry out;
    out.flags = number<std::uint16_t>(header + 8);
    out.method = number<std::uint16_t>(header + 10);
    out.crc = number<std::uint32_t>(header + 16);
    out.stored = number<std::uint32_t>(header + 20);
    out.size = number<std::uint32_t>(header + 24);
    out.header = number<std::uint32_t>(header + 42);
    // ZIP64 keeps, in this order, those of the fields that did not fit above.
    while (extra.size() >= 4) {
      const std::size_t bytes = number<std::uint16_t>(&extra[2]);
      if (bytes > extra.size() - 4) break;
      if (number<std::uint16_t>(&extra[0]) == kField64) {
        std::span<const std::byte> field = extra.subspan(4, bytes);
        for (std::uint64_t* value : {&out.size, &out.stored, &out.header}) {
          if (*value != kIsIn64 || field.size() < 8) continue;
          *value = number<std::uint64_t>(field.data());
          field = field.subspan(8);
        }
      }
      extra = extra.subspan(4 + bytes);
    }
    return out;
  }

  const ReadableFile& file_;
};

struct Inflater {
  Inflater() {
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  z_stream stream{};
};

/// The member's stored bytes begin at `base`.
std::vector<std::byte> inflate_member(const ReadableFile& file, const Archive& archive,
                                      const Entry& entry, std::uint64_t base,
                                      const std::string& name) {
  constexpr std::size_t kStep = std::size_t{1} << 20;
  std::vector<std::byte> out(entry.size), in;
  Inflater inflater;
  z_stream& stream = inflater.stream;
  std::uint64_t read_at = base, left = entry.stored, made = 0;
  std::uint32_t crc = 0;
  int status = Z_OK;
  std::byte beyond{};  // a byte past the declared end shows that the size is a lie
  while (status == Z_OK) {
    if (stream.avail_in == 0 && left > 0) {
      in = archive.read(read_at, std::min<std::uint64_t>(left, kStep));
      stream.next_in = reinterpret_cast<Bytef*>(in.data());
      stream.avail_in = static_cast<uInt>(in.size());
      read_at += in.size();
      left -= in.size();
    }
    const std::size_t room = std::min<std::uint64_t>(out.size() - made, kStep);
    stream.next_out = reinterpret_cast<Bytef*>(room > 0 ? out.data() + made : &beyond);
    stream.avail_out = static_cast<uInt>(std::max<std::size_t>(room, 1));
    status = inflate(&stream, Z_NO_FLUSH);
    const std::size_t got = std::max<std::size_t>(room, 1) - stream.avail_out;
    if (got > room) archive.fail("the member '" + name + "' is longer than it says");
    if (got > 0) crc = crc32_z(crc, reinterpret_cast<const Bytef*>(out.data() + made), got);
    made += got;
  }
  if (status != Z_STREAM_END || made != out.size() || crc != entry.crc) {
    archive.fail("Bad CRC-32 or damaged data in the member '" + name + "' of '" +
                 file.path().filename().string() + "'");
  }
  return out;
}

}  // namespace

ZipMember open_member(std::shared_ptr<const ReadableFile> file, const std::string& name,
                      std::uint64_t limit) {
  const Archive archive(*file);
  const Entry entry = archive.find(name);
  if (entry.flags & 1) archive.fail("the member '" + name + "' is encrypted");
  if (entry.size > limit) {
    archive.fail("Not allowed: the member '" + name + "' would have " + std::to_string(entry.size) +
                 " bytes, more than " + std::to_string(limit));
  }
  if (entry.method != 0 && entry.method != Z_DEFLATED) {
    archive.fail("the member '" + name + "' is compressed in an unsupported way");
  }
  const std::uint64_t base = archive.data_offset(entry, name);
  if (base > file->size() || entry.stored > file->size() - base ||
      (entry.method == 0 && entry.size != entry.stored)) {
    archive.fail("the member '" + name + "' is cut short");
  }
  if (entry.method == 0) return {std::move(file), base, entry.size, entry.crc};
  if (entry.size > kSuspiciousSize && entry.size / kSuspiciousRatio > entry.stored) {
    archive.fail("Not allowed: the member '" + name + "' would grow more than " +
                 std::to_string(kSuspiciousRatio) +
                 " times; refusing a potential decompression bomb");
  }
  std::vector<std::byte> bytes = inflate_member(*file, archive, entry, base, name);
  const std::uint64_t size = bytes.size();
  storage::Path inner = file->path() / name;
  return {std::make_shared<storage::MemoryFile>(std::move(inner), std::move(bytes)), 0, size,
          entry.crc};
}

std::string read_member(const std::shared_ptr<const ReadableFile>& archive, const std::string& name,
                        std::uint64_t limit) {
  const ZipMember member = open_member(archive, name, limit);
  std::string text(member.size, '\0');
  member.file->read_at(member.base, std::as_writable_bytes(std::span(text)));
  if (crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size()) != member.crc) {
    throw FormatError(
        fmt::format("'{}': Bad CRC-32 for file '{}'", archive->path().string(), name));
  }
  return text;
}

}  // namespace lamina::storage

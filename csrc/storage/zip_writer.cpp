#include "storage/zip_writer.h"

#include <zlib.h>

#include <algorithm>
#include <utility>

#include "core/buffer.h"
#include "core/direct_io.h"
#include "storage/zip_format.h"

namespace lamina::storage {
namespace {

constexpr std::uint16_t kVersion = 20, kVersion64 = 45;  // that a reader must know
constexpr std::uint16_t kUtf8 = 1 << 11;
constexpr std::uint16_t kMadeOnUnix = 3 << 8;
constexpr std::uint32_t kMode = 0100600u << 16;           // as Python's zipfile
constexpr std::uint32_t kDate = (1u << 21) | (1u << 16);  // 1980-01-01, as zipfile's default
// The kind of extra field by which archives align members (apksigner's, zipalign's).
constexpr std::uint16_t kAlignmentField = 0xd935;
constexpr std::size_t kReadStep = std::size_t{8} << 20;

struct Entry {
  std::string_view name;
  std::uint32_t crc = 0;
  std::uint64_t size = 0;
  std::uint64_t header = 0;
};

/// Little-endian numbers and texts, one after the other.
class Bytes {
 public:
  template <class T>
  Bytes& number(T value) {
    for (std::size_t i = 0; i < sizeof value; ++i) {
      bytes_.push_back(static_cast<std::byte>(static_cast<std::uint64_t>(value) >> (8 * i)));
    }
    return *this;
  }
  Bytes& text(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Bytes& zeros(std::size_t count) {
    bytes_.resize(bytes_.size() + count);
    return *this;
  }
  void append(const Bytes& more) {
    bytes_.insert(bytes_.end(), more.bytes_.begin(), more.bytes_.end());
  }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

bool fits(std::uint64_t number) {
  return number < zip::kIsIn64;
}

std::uint32_t short_of(std::uint64_t number) {
  return fits(number) ? static_cast<std::uint32_t>(number) : zip::kIsIn64;
}

/// What the headers of a member say alike: flags, method, date, checksum and sizes.
void put_common(Bytes& out, const Entry& entry) {
  constexpr std::uint16_t kStored = 0;
  out.number(kUtf8).number(kStored).number(kDate).number(entry.crc);
  out.number(short_of(entry.size)).number(short_of(entry.size));
  out.number(static_cast<std::uint16_t>(entry.name.size()));
}

/// Appends the header before a member's bytes, which begin at a multiple of `alignment` (1: right
/// behind it).
void put_local_header(Bytes& out, const Entry& entry, std::size_t alignment) {
  constexpr std::size_t kFieldBytes = 4;
  const bool large = !fits(entry.size);
  std::size_t extra = large ? kFieldBytes + 16 : 0;
  std::size_t padding = 0;
  if (alignment > 1) {
    // Of this kind of field, two bytes say the alignment, and zeros follow.
    extra += kFieldBytes + 2;
    const std::size_t end = out.size() + zip::kLocalHeaderBytes + entry.name.size() + extra;
    padding = (alignment - end % alignment) % alignment;
  }
  out.number(zip::kLocalHeader).number(large ? kVersion64 : kVersion);
  put_common(out, entry);
  out.number(static_cast<std::uint16_t>(extra + padding)).text(entry.name);
  if (large) {
    out.number(zip::kField64).number(std::uint16_t{16}).number(entry.size).number(entry.size);
  }
  if (alignment > 1) {
    out.number(kAlignmentField).number(static_cast<std::uint16_t>(2 + padding));
    out.number(static_cast<std::uint16_t>(alignment)).zeros(padding);
  }
}

void put_central_header(Bytes& out, const Entry& entry) {
  Bytes numbers;
  if (!fits(entry.size)) numbers.number(entry.size).number(entry.size);
  if (!fits(entry.header)) numbers.number(entry.header);
  Bytes field;
  if (numbers.size() > 0) {
    field.number(zip::kField64).number(static_cast<std::uint16_t>(numbers.size()));
  }
  const std::uint16_t version = numbers.size() > 0 ? kVersion64 : kVersion;
  constexpr std::uint16_t kNone = 0;
  out.number(zip::kCentralHeader).number(static_cast<std::uint16_t>(kMadeOnUnix | version));
  out.number(version);
  put_common(out, entry);
  out.number(static_cast<std::uint16_t>(field.size() + numbers.size()));
  out.number(kNone).number(kNone).number(kNone);  // comment, disk, internal attributes
  out.number(kMode).number(short_of(entry.header)).text(entry.name);
  out.append(field);
  out.append(numbers);
}

/// The directory of members, which ends the archive; it begins at `offset`.
Bytes directory_of(const std::vector<Entry>& entries, std::uint64_t offset) {
  Bytes out;
  for (const Entry& entry : entries) put_central_header(out, entry);
  const std::uint64_t size = out.size();
  const auto count = static_cast<std::uint16_t>(entries.size());
  if (!fits(offset)) {
    constexpr std::uint32_t kDisk = 0, kDisks = 1;
    const std::uint64_t end64 = offset + size;
    out.number(zip::kEnd64).number(std::uint64_t{zip::kEnd64Bytes - 12});
    out.number(static_cast<std::uint16_t>(kMadeOnUnix | kVersion64)).number(kVersion64);
    out.number(kDisk).number(kDisk).number(std::uint64_t{count}).number(std::uint64_t{count});
    out.number(size).number(offset);
    out.number(zip::kEnd64Locator).number(kDisk).number(end64).number(kDisks);
  }
  constexpr std::uint16_t kNone = 0;
  out.number(zip::kEnd).number(kNone).number(kNone).number(count).number(count);
  out.number(static_cast<std::uint32_t>(size)).number(short_of(offset)).number(kNone);
  return out;
}

std::uint32_t crc_of(std::string_view text) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size()));
}

/// Of what lies in a file.
std::uint32_t crc_of(const ReadableFile& file, std::uint64_t offset, std::uint64_t size) {
  // Aligned, so that what the page cache does not hold is read past it.
  const std::shared_ptr<void> memory = core::allocate_host(kReadStep);
  const std::span<std::byte> buffer(static_cast<std::byte*>(memory.get()), kReadStep);
  uLong crc = 0;
  for (std::uint64_t done = 0; done < size;) {
    const auto part = buffer.first(std::min<std::uint64_t>(size - done, kReadStep));
    file.read_at(offset + done, part);
    crc = crc32_z(crc, reinterpret_cast<const Bytef*>(part.data()), part.size());
    done += part.size();
  }
  return static_cast<std::uint32_t>(crc);
}

}  // namespace

/// All of an archive but the bytes of its last member.
struct ZipMemberWriter::Frame {
  Frame(const std::vector<ZipText>& texts, const std::string& name, std::uint64_t size,
        std::uint32_t crc) {
    std::vector<Entry> entries;
    for (const ZipText& text : texts) {
      entries.push_back({text.name, crc_of(text.text), text.text.size(), head.size()});
      put_local_header(head, entries.back(), 1);
      head.text(text.text);
    }
    entries.push_back({name, crc, size, head.size()});
    put_local_header(head, entries.back(), core::kDirectAlignment);
    directory = directory_of(entries, head.size() + size);
  }

  Bytes head, directory;
};

ZipMemberWriter::ZipMemberWriter(std::unique_ptr<WritableFile> archive, std::vector<ZipText> texts,
                                 std::string name, Storage& storage)
    : archive_(std::move(archive)),
      storage_(storage),
      texts_(std::move(texts)),
      name_(std::move(name)) {}

void ZipMemberWriter::resize(std::uint64_t size) {
  const Frame frame(texts_, name_, size, 0);  // as long as the one with the checksum
  base_ = frame.head.size();
  size_ = size;
  archive_->resize(base_ + size_ + frame.directory.size());
}

void ZipMemberWriter::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  archive_->write_at(base_ + offset, bytes);
}

void ZipMemberWriter::sync() {
  const std::uint32_t crc = crc_of(*storage_.open(path()), base_, size_);
  const Frame frame(texts_, name_, size_, crc);
  archive_->write_at(0, frame.head.bytes());
  archive_->write_at(base_ + size_, frame.directory.bytes());
  archive_->sync();
}

}  // namespace lamina::storage

#include "h5/read/superblock.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "h5/read/checksum.h"

namespace lamina::h5 {
namespace {

constexpr std::size_t kLongest = 128;  ///< no version is longer
constexpr std::array<unsigned char, 8> kSignature{0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

/// HDF5 looks at 0, 512, 1024, 2048 and so on: what comes before is the user's.
std::optional<std::uint64_t> find_signature(const storage::ReadableFile& file, std::uint64_t base,
                                            std::uint64_t size) {
  std::array<std::byte, kSignature.size()> bytes;
  for (std::uint64_t at = 0; at <= size && size - at >= bytes.size(); at = at == 0 ? 512 : at * 2) {
    file.read_at(base + at, bytes);
    if (std::memcmp(bytes.data(), kSignature.data(), bytes.size()) == 0) return at;
  }
  return std::nullopt;
}

void read_widths(Cursor& cursor, Widths& widths) {
  widths.offset = cursor.u8();
  widths.length = cursor.u8();
  for (const unsigned width : {widths.offset, widths.length}) {
    if (width != 2 && width != 4 && width != 8)
      malformed("addresses or lengths of {} bytes", width);
  }
}

struct Addresses {
  std::uint64_t base, end, root;
};

Addresses read_old(Cursor& cursor, unsigned version, Widths& widths) {
  cursor.skip(4);
  read_widths(cursor, widths);
  cursor.skip(1 + 2 + 2 + 4);
  if (version == 1) cursor.skip(4);
  Addresses result{};
  result.base = cursor.address(widths);
  cursor.address(widths);  // free space
  result.end = cursor.address(widths);
  if (cursor.address(widths) != kUndefined) malformed("a file that is split over several files");
  cursor.address(widths);  // the root's name
  result.root = cursor.address(widths);
  return result;
}

Addresses read_new(std::span<const std::byte> bytes, Widths& widths) {
  Cursor cursor(bytes.subspan(kSignature.size() + 1));
  read_widths(cursor, widths);
  cursor.skip(1);
  Addresses result{};
  result.base = cursor.address(widths);
  cursor.address(widths);  // extension
  result.end = cursor.address(widths);
  result.root = cursor.address(widths);
  cursor.skip(4);
  (void)verified(bytes.first(bytes.size() - cursor.remaining()), "the superblock");
  return result;
}

}  // namespace

Superblock read_superblock(const storage::ReadableFile& file, std::uint64_t base,
                           std::uint64_t size) {
  const auto start = find_signature(file, base, size);
  if (!start) malformed("Unable to open file (file signature not found)");
  std::vector<std::byte> bytes(std::min<std::uint64_t>(kLongest, size - *start));
  file.read_at(base + *start, bytes);
  Cursor cursor(bytes);
  cursor.skip(kSignature.size());
  const unsigned version = cursor.u8();
  if (version > 3) malformed("Unable to open file (bad superblock version number {})", version);
  Superblock result{*start, size - *start, size - *start, 0, {}, {}};
  const Addresses found =
      version < 2 ? read_old(cursor, version, result.widths) : read_new(bytes, result.widths);
  if (found.base == kUndefined || found.end < found.base) malformed("a superblock without sense");
  // The file may have been moved within another one: its own base is then out of date.
  if (const std::uint64_t length = found.end - found.base; length > result.size) {
    result.truncation = fmt::format(
        "Unable to open file (truncated file: eof = {}, sblock->base_addr = {}, stored_eof = {})",
        size, found.base, found.end);
  } else {
    result.size = length;
  }
  result.root = found.root;
  return result;
}

}  // namespace lamina::h5

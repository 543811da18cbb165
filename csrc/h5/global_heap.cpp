#include "h5/global_heap.h"

namespace lamina::h5 {
namespace {

constexpr std::uint32_t kLongestText = 64 << 10;

}  // namespace

std::string read_global_heap_text(Metadata& metadata, std::uint64_t address, std::uint32_t index,
                                  std::uint32_t length) {
  if (length > kLongestText) malformed("a text of {} bytes in an attribute", length);
  const std::uint64_t prefix = 8 + metadata.widths.length;
  const auto head = metadata.read(address, prefix);
  Cursor cursor(head);
  cursor.expect("GCOL");
  cursor.expect_version(1, "a global heap");
  cursor.skip(3);
  const std::uint64_t size = cursor.length(metadata.widths);
  if (!metadata.holds(address, size)) malformed("a global heap reaches past the end of the file");
  const std::uint64_t end = address + size;
  for (std::uint64_t at = address + (prefix + 7) / 8 * 8; at < end && end - at >= prefix;) {
    const auto object = metadata.read(at, prefix);
    Cursor fields(object);
    const std::uint32_t found = fields.u16();
    fields.skip(6);
    const std::uint64_t bytes = fields.length(metadata.widths);
    if (found == 0) break;  // free space, the last of a collection
    at += prefix;
    if (bytes > end - at) malformed("an object reaches past the end of its global heap");
    if (found == index) {
      if (length > bytes) malformed("a text is longer than its object in the global heap");
      const auto text = metadata.read(at, length);
      return Cursor(text).text(length);
    }
    at += (bytes + 7) / 8 * 8;
  }
  malformed("there is no object {} in the global heap", index);
}

}  // namespace lamina::h5

#include "h5/read/global_heap.h"

namespace lamina::h5 {
namespace {

constexpr std::uint32_t kLongestText = 16 << 20;  // a large model's configuration
constexpr std::size_t kKeptCollections = 4096;

HeapCollection open_collection(Metadata& metadata, std::uint64_t address) {
  const std::uint64_t prefix = 8 + metadata.widths.length;
  const Block head = metadata.read(address, prefix);
  Cursor cursor(head);
  cursor.expect("GCOL");
  cursor.expect_version(1, "a global heap");
  cursor.skip(3);
  const std::uint64_t size = cursor.length(metadata.widths);
  if (!metadata.holds(address, size)) malformed("a global heap reaches past the end of the file");
  return {address + size, address + (prefix + 7) / 8 * 8, {}};
}

HeapCollection& collection_at(Metadata& metadata, std::uint64_t address) {
  auto& kept = metadata.collections;
  if (const auto known = kept.find(address); known != kept.end()) return known->second;
  HeapCollection opened = open_collection(metadata, address);
  if (kept.size() >= kKeptCollections) kept.clear();
  return kept.emplace(address, std::move(opened)).first->second;
}

/// Looks on through a collection until there is an object of that index, the first of it.
HeapCollection::Object find(Metadata& metadata, HeapCollection& collection, std::uint32_t index) {
  const std::uint64_t prefix = 8 + metadata.widths.length;
  for (;;) {
    if (const auto known = collection.objects.find(index); known != collection.objects.end()) {
      return known->second;
    }
    std::uint64_t at = collection.next;
    if (at >= collection.end || collection.end - at < prefix) break;
    const Block object = metadata.read(at, prefix);
    Cursor fields(object);
    const std::uint32_t found = fields.u16();
    fields.skip(6);
    const std::uint64_t bytes = fields.length(metadata.widths);
    if (found == 0) break;  // free space, the last of a collection
    at += prefix;
    if (bytes > collection.end - at) malformed("an object reaches past the end of its global heap");
    collection.objects.try_emplace(found, HeapCollection::Object{at, bytes});
    collection.next = at + (bytes + 7) / 8 * 8;
  }
  malformed("there is no object {} in the global heap", index);
}

}  // namespace

std::string read_global_heap_text(Metadata& metadata, std::uint64_t address, std::uint32_t index,
                                  std::uint32_t length) {
  if (length > kLongestText) malformed("a text of {} bytes in an attribute", length);
  const HeapCollection::Object object = find(metadata, collection_at(metadata, address), index);
  if (length > object.size) malformed("a text is longer than its object in the global heap");
  const Block text = metadata.read(object.address, length);
  return Cursor(text).text(length);
}

}  // namespace lamina::h5

// Groups as HDF5 has always written them: a version 1 B-tree whose leaves are tables of symbols,
// with the names in a local heap.
#include "h5/read/btree1.h"
#include "h5/read/links.h"

namespace lamina::h5 {
namespace {

constexpr std::uint32_t kCachedSoftLink = 2;

struct LocalHeap {
  std::uint64_t begin, end;
};

LocalHeap read_local_heap(Metadata& metadata, std::uint64_t address) {
  const Widths widths = metadata.widths;
  const auto bytes = metadata.read(address, 8 + 2 * widths.length + widths.offset);
  Cursor cursor(bytes);
  cursor.expect("HEAP");
  cursor.expect_version(0, "a local heap");
  cursor.skip(3);
  const std::uint64_t size = cursor.length(widths);
  cursor.length(widths);  // free list
  const std::uint64_t begin = cursor.address(widths);
  if (!metadata.holds(begin, size)) malformed("a local heap reaches past the end of the file");
  return {begin, begin + size};
}

void read_symbols(Metadata& metadata, std::uint64_t address, LocalHeap heap, Links& links) {
  const Widths widths = metadata.widths;
  const auto head = metadata.read(address, 8);
  Cursor prefix(head);
  prefix.expect("SNOD");
  prefix.expect_version(1, "a symbol table");
  prefix.skip(1);
  const std::size_t count = prefix.u16();
  const auto bytes = metadata.read(address + 8, count * (2 * widths.offset + 24));
  Cursor cursor(bytes);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t name = cursor.address(widths);
    Link link;
    link.address = cursor.address(widths);
    if (cursor.u32() == kCachedSoftLink) link.kind = Link::Kind::kSoft;
    cursor.skip(4 + 16);
    if (name >= heap.end - heap.begin) malformed("a name outside its local heap");
    link.order = name;
    link.name = metadata.text(heap.begin + name, heap.end, kLongestName);
    links.push_back(std::move(link));
  }
}

}  // namespace

void read_symbol_table(Metadata& metadata, std::span<const std::byte> message, Links& links) {
  Cursor cursor(message);
  const std::uint64_t tree = cursor.address(metadata.widths);
  const LocalHeap heap = read_local_heap(metadata, cursor.address(metadata.widths));
  walk_btree1(metadata, tree, {BTree1::kGroups, metadata.widths.length},
              [&](std::span<const std::byte>, std::uint64_t leaf) {
                read_symbols(metadata, leaf, heap, links);
              });
}

}  // namespace lamina::h5

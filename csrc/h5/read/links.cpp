#include "h5/read/links.h"

#include <algorithm>

#include "h5/read/btree2.h"
#include "h5/read/fractal_heap.h"

namespace lamina::h5 {
namespace {

void check_name(const std::string& name) {
  if (name.empty() || name == "." || name.find('/') != std::string::npos) {
    malformed("a link with the name \"{}\"", name);
  }
}

void sort_and_check(Links& links) {
  for (const Link& link : links) check_name(link.name);
  const auto by_name = [](const Link& a, const Link& b) { return a.name < b.name; };
  // As the B-tree of an old group has them.
  if (!std::is_sorted(links.begin(), links.end(), by_name)) {
    std::sort(links.begin(), links.end(), by_name);
  }
  const auto twice = std::adjacent_find(
      links.begin(), links.end(), [](const Link& a, const Link& b) { return a.name == b.name; });
  if (twice != links.end()) malformed("two links with the name \"{}\"", twice->name);
}

/// Links that are too many for the object header: in a fractal heap, with a B-tree of their names.
void read_dense_links(Metadata& metadata, std::span<const std::byte> info, Links& links) {
  constexpr unsigned kTracksOrder = 0x01;
  constexpr std::size_t kHash = 4;
  Cursor cursor(info);
  cursor.expect_version(0, "a link info message");
  if (cursor.u8() & kTracksOrder) cursor.skip(8);
  const std::uint64_t heap_address = cursor.address(metadata.widths);
  const std::uint64_t tree_address = cursor.address(metadata.widths);
  if (heap_address == kUndefined) return;
  FractalHeap heap(metadata, heap_address);
  walk_btree2(metadata, tree_address, BTree2::kLinkNames, [&](std::span<const std::byte> record) {
    if (record.size() < kHash) malformed("a B-tree record that is too short");
    links.push_back(read_link_message(heap.object(record.subspan(kHash)), metadata.widths));
  });
}

}  // namespace

Link read_link_message(std::span<const std::byte> message, Widths widths) {
  constexpr unsigned kHasKind = 0x08, kHasOrder = 0x04, kHasCharset = 0x10;
  Cursor cursor(message);
  cursor.expect_version(1, "a link");
  const unsigned flags = cursor.u8();
  const unsigned kind = flags & kHasKind ? cursor.u8() : 0;
  const std::uint64_t order = flags & kHasOrder ? cursor.uint(8) : 0;
  if (flags & kHasCharset) cursor.skip(1);
  const std::uint64_t length = cursor.uint(std::size_t{1} << (flags & 3));
  if (length > kLongestName) malformed("a name of more than {} bytes", kLongestName);
  Link link;
  link.order = order;
  link.name = cursor.text(length);
  switch (kind) {
    case 0:
      link.address = cursor.address(widths);
      break;
    case 1:
      link.kind = Link::Kind::kSoft;
      break;
    case 64:
      link.kind = Link::Kind::kExternal;
      break;
    default:
      link.kind = Link::Kind::kOther;
      break;
  }
  return link;
}

Links read_links(Metadata& metadata, const ObjectHeader& group) {
  Links links;
  if (group.find(MessageType::kSymbolTable) != nullptr) {
    read_symbol_table(metadata, group.body(MessageType::kSymbolTable, "symbol table"), links);
  }
  for (const Message& message : group.messages()) {
    if (message.type != MessageType::kLink) continue;
    if (message.shared) malformed("a shared link, which is not read");
    links.push_back(read_link_message(message.body, metadata.widths));
    // Zero for all that are not numbered, and for the first of those that are.
    if (links.back().order == 0) links.back().order = links.size() - 1;
  }
  if (const Message* info = group.find(MessageType::kLinkInfo))
    read_dense_links(metadata, info->body, links);
  sort_and_check(links);
  return links;
}

std::vector<const Link*> in_creation_order(const Links& links) {
  std::vector<const Link*> result;
  result.reserve(links.size());
  for (const Link& link : links) result.push_back(&link);
  const auto made_before = [](const Link* a, const Link* b) {
    return a->order != b->order ? a->order < b->order : a < b;
  };
  std::sort(result.begin(), result.end(), made_before);
  return result;
}

}  // namespace lamina::h5

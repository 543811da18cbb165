#include "h5/read/btree2.h"

#include <bit>

#include "h5/read/checksum.h"

namespace lamina::h5 {
namespace {

constexpr unsigned kMostDepth = 16;
constexpr std::uint64_t kNodeOverhead = 4 + 1 + 1 + 4;  ///< signature, version, type, checksum

struct Tree {
  BTree2 kind;
  std::uint64_t node_size, record_size;
  unsigned depth;
  std::size_t count_width;               ///< bytes of a child's own record count
  std::vector<std::size_t> total_width;  ///< per depth: bytes of the count of all below
};

struct Node {
  std::uint64_t address, records;
  unsigned depth;
};

std::size_t bytes_for(std::uint64_t most) {
  return (std::bit_width(most) + 7) / 8;
}

/// How wide the counts in inner nodes are follows from how much the nodes below can hold.
void measure(Tree& tree, std::size_t pointer) {
  if (tree.record_size == 0 || tree.node_size < kNodeOverhead + tree.record_size) {
    malformed("a B-tree of empty nodes");
  }
  std::uint64_t total = (tree.node_size - kNodeOverhead) / tree.record_size;
  tree.count_width = bytes_for(total);
  tree.total_width.push_back(0);
  for (unsigned depth = 1; depth <= tree.depth; ++depth) {
    const std::uint64_t child = pointer + tree.count_width + tree.total_width.back();
    if (tree.node_size < kNodeOverhead + child) malformed("a B-tree of empty nodes");
    const std::uint64_t most =
        (tree.node_size - kNodeOverhead - child) / (tree.record_size + child);
    if (__builtin_mul_overflow(most + 1, total, &total) ||
        __builtin_add_overflow(total, most, &total)) {
      malformed("a B-tree of depth {}", tree.depth);
    }
    tree.total_width.push_back(bytes_for(total));
  }
}

void walk_node(Metadata& metadata, const Tree& tree, const Node& node, std::vector<Node>& pending,
               const std::function<void(std::span<const std::byte>)>& visit) {
  const bool leaf = node.depth == 0;
  const std::size_t total_width = leaf ? 0 : tree.total_width[node.depth - 1];
  const std::size_t child_size = leaf ? 0 : metadata.widths.offset + tree.count_width + total_width;
  const std::uint64_t children = leaf ? 0 : node.records + 1;
  const std::uint64_t size =
      kNodeOverhead + node.records * tree.record_size + children * child_size;
  if (size > tree.node_size) malformed("a B-tree node with too many records");
  const auto block = metadata.read(node.address, size);
  Cursor cursor(verified(block, "a B-tree node"));
  leaf ? cursor.expect("BTLF") : cursor.expect("BTIN");
  cursor.expect_version(0, "a B-tree node");
  if (cursor.u8() != static_cast<unsigned>(tree.kind)) malformed("a B-tree node of another type");
  for (std::uint64_t i = 0; i < node.records; ++i) visit(cursor.take(tree.record_size));
  for (std::uint64_t i = 0; i < children; ++i) {
    const std::uint64_t address = cursor.address(metadata.widths);
    const std::uint64_t records = cursor.uint(tree.count_width);
    cursor.skip(total_width);
    pending.push_back({address, records, node.depth - 1});
  }
}

}  // namespace

void walk_btree2(Metadata& metadata, std::uint64_t header, BTree2 kind,
                 const std::function<void(std::span<const std::byte>)>& visit) {
  const Widths widths = metadata.widths;
  const auto block = metadata.read(header, 22 + widths.offset + widths.length);
  Cursor cursor(verified(block, "a B-tree"));
  cursor.expect("BTHD");
  cursor.expect_version(0, "a B-tree");
  if (cursor.u8() != static_cast<unsigned>(kind)) malformed("a B-tree of another type");
  Tree tree{kind, 0, 0, 0, 0, {}};
  tree.node_size = cursor.u32();
  tree.record_size = cursor.u16();
  tree.depth = cursor.u16();
  if (tree.depth > kMostDepth) malformed("a B-tree of depth {}", tree.depth);
  cursor.skip(2);
  const std::uint64_t root = cursor.address(widths);
  const std::uint64_t records = cursor.u16();
  if (root == kUndefined) return;
  measure(tree, widths.offset);
  std::vector<Node> pending{{root, records, tree.depth}};
  while (!pending.empty()) {
    const Node node = pending.back();
    pending.pop_back();
    walk_node(metadata, tree, node, pending, visit);
  }
}

}  // namespace lamina::h5

#include "h5/read/btree1.h"

#include <algorithm>
#include <optional>

namespace lamina::h5 {
namespace {

struct Node {
  std::uint64_t address;
  std::optional<unsigned> level;  ///< as its parent implies
};

}  // namespace

void walk_btree1(Metadata& metadata, std::uint64_t root, BTree1 tree,
                 const std::function<void(std::span<const std::byte>, std::uint64_t)>& visit) {
  const std::size_t pointer = metadata.widths.offset;
  std::vector<Node> pending{{root, std::nullopt}};
  while (!pending.empty()) {
    const Node node = pending.back();
    pending.pop_back();
    const auto head = metadata.read(node.address, 8 + 2 * pointer);
    Cursor prefix(head);
    prefix.expect("TREE");
    if (prefix.u8() != tree.type) malformed("a B-tree of another type than it should be");
    const unsigned level = prefix.u8();
    if (node.level && level != *node.level) malformed("a B-tree whose levels do not decrease");
    const std::size_t used = prefix.u16();
    const auto bytes = metadata.read(node.address + head.size(), used * (tree.key_size + pointer));
    Cursor entries(bytes);
    const auto first = static_cast<std::ptrdiff_t>(pending.size());
    for (std::size_t i = 0; i < used; ++i) {
      const auto key = entries.take(tree.key_size);
      const std::uint64_t child = entries.address(metadata.widths);
      if (level == 0) {
        visit(key, child);
      } else {
        pending.push_back({child, level - 1});
      }
    }
    // The last one is taken first: children are visited in the order of their keys.
    std::reverse(pending.begin() + first, pending.end());
  }
}

}  // namespace lamina::h5

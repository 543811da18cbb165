#pragma once
#include <functional>

#include "h5/read/metadata.h"

namespace lamina::h5 {

/// What a version 1 B-tree indexes, and the bytes of one of its keys.
struct BTree1 {
  static constexpr unsigned kGroups = 0, kChunks = 1;
  unsigned type;
  std::size_t key_size;
};

/// Calls `visit(key, address)` for each child of each lowest node: the key before the child, and
/// the child's address. Levels are held to decrease, so that no cycle is possible.
void walk_btree1(Metadata& metadata, std::uint64_t root, BTree1 tree,
                 const std::function<void(std::span<const std::byte>, std::uint64_t)>& visit);

}  // namespace lamina::h5

#pragma once
#include <functional>

#include "h5/read/metadata.h"

namespace lamina::h5 {

/// Kinds of records that version 2 B-trees hold here.
enum class BTree2 : std::uint8_t {
  kLinkNames = 5,
  kAttributeNames = 8,
  kChunks = 10,
  kFilteredChunks = 11,
};

/// Calls `visit(record)` for each record of a version 2 B-tree, whose blocks' checksums are
/// verified, in no particular order. Throws Malformed when the tree is not of this kind.
void walk_btree2(Metadata& metadata, std::uint64_t header, BTree2 kind,
                 const std::function<void(std::span<const std::byte>)>& visit);

}  // namespace lamina::h5

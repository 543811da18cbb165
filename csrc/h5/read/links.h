#pragma once
#include <string>
#include <vector>

#include "h5/format.h"
#include "h5/read/object_header.h"

namespace lamina::h5 {

struct Link {
  enum class Kind : std::uint8_t { kHard, kSoft, kExternal, kOther };
  std::string name;
  Kind kind = Kind::kHard;
  std::uint64_t address = kUndefined;  ///< of a hard link's object header
  /// Grows with creation, as far as the group tells: an old group appends each name to its heap, a
  /// new one numbers its links if asked to, and else keeps a few in the order of their making.
  std::uint64_t order = 0;
};

/// Links of a group, in the order of their names' bytes, without duplicates.
using Links = std::vector<Link>;

/// Lists a group, old (symbol table) or new (link messages, or a fractal heap of them).
[[nodiscard]] Links read_links(Metadata& metadata, const ObjectHeader& group);

/// The links of a group, first made first.
[[nodiscard]] std::vector<const Link*> in_creation_order(const Links& links);

/// Appends the links of an old group, from its symbol table message.
void read_symbol_table(Metadata& metadata, std::span<const std::byte> message, Links& links);

/// One link message: of an object header or in a fractal heap.
[[nodiscard]] Link read_link_message(std::span<const std::byte> message, Widths widths);

}  // namespace lamina::h5

#pragma once
#include <string>
#include <vector>

#include "h5/object_header.h"

namespace lamina::h5 {

struct Link {
  enum class Kind : std::uint8_t { kHard, kSoft, kExternal, kOther };
  std::string name;
  Kind kind = Kind::kHard;
  std::uint64_t address = kUndefined;  ///< of a hard link's object header
};

inline constexpr std::size_t kLongestName = 4096;

/// Links of a group, in the order of their names' bytes, without duplicates.
using Links = std::vector<Link>;

/// Lists a group, old (symbol table) or new (link messages, or a fractal heap of them).
[[nodiscard]] Links read_links(Metadata& metadata, const ObjectHeader& group);

/// Appends the links of an old group, from its symbol table message.
void read_symbol_table(Metadata& metadata, std::span<const std::byte> message, Links& links);

/// One link message: of an object header or in a fractal heap.
[[nodiscard]] Link read_link_message(std::span<const std::byte> message, Widths widths);

}  // namespace lamina::h5

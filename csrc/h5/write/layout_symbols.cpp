// Groups as HDF5 has always written them, and Keras's files have them. The format: "HDF5 File
// Format Specification", III.A.1 (version 1 B-trees), III.B (symbol tables), III.C (symbol table
// entries), III.D (local heaps).
#include "h5/write/layout_symbols.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "h5/format.h"
#include "h5/write/field_writer.h"

namespace lamina::h5 {
namespace {

constexpr std::size_t kSymbols = 2 * kLeafK;
constexpr std::size_t kChildren = 2 * kNodeK;
constexpr std::uint64_t kHeapBytes = 32;
constexpr std::uint64_t kTableBytes = 8 + kSymbols * kSymbolBytes;
constexpr std::uint64_t kNodeBytes = 24 + (2 * kChildren + 1) * 8;
// A heap begins with the empty name, below all others.
constexpr std::uint64_t kEmptyName = 8;
constexpr std::uint64_t kNoFreeBlock = 1;

std::size_t divide_up(std::size_t count, std::size_t by) {
  return (count + by - 1) / by;
}

/// Nodes of each level, the leaves' first. A group without links has one node.
std::vector<std::size_t> node_counts(std::size_t symbols) {
  std::vector<std::size_t> counts{
      std::max<std::size_t>(1, divide_up(divide_up(symbols, kSymbols), kChildren))};
  while (counts.back() > 1) counts.push_back(divide_up(counts.back(), kChildren));
  return counts;
}

/// What a node of the tree points to, and the greatest name in it.
struct Branch {
  std::uint64_t address;
  std::uint64_t last_name;
};

struct Level {
  std::uint8_t number;
  std::uint64_t at;  // of its first node
};

/// One level above `below`: full nodes, and what is left in the last one. Returns its nodes.
std::vector<Branch> write_level(std::span<std::byte> file, Level level,
                                std::span<const Branch> below) {
  const std::size_t count = std::max<std::size_t>(1, divide_up(below.size(), kChildren));
  std::vector<Branch> nodes;
  nodes.reserve(count);
  std::uint64_t first_key = 0;  // the empty name
  for (std::size_t i = 0; i < count; ++i) {
    const auto children =
        below.subspan(i * kChildren, std::min(kChildren, below.size() - i * kChildren));
    const std::uint64_t at = level.at + i * kNodeBytes;
    FieldWriter out(file.subspan(at, kNodeBytes));
    out.text("TREE");
    out.u8(0);  // of a group
    out.u8(level.number);
    out.u16(static_cast<std::uint16_t>(children.size()));
    out.u64(i == 0 ? kUndefined : at - kNodeBytes);
    out.u64(i + 1 == count ? kUndefined : at + kNodeBytes);
    out.u64(first_key);
    for (const Branch& child : children) {
      out.u64(child.address);
      out.u64(child.last_name);
      first_key = child.last_name;
    }
    nodes.push_back({at, first_key});
  }
  return nodes;
}

void write_heap(std::span<std::byte> file, const SymbolTablePlaces& places,
                std::span<const Symbol> symbols, std::span<const std::uint64_t> names) {
  FieldWriter head(file.subspan(places.heap, kHeapBytes));
  head.text("HEAP");
  head.skip(4);  // version 0
  head.u64(places.nodes - places.names);
  head.u64(kNoFreeBlock);
  head.u64(places.names);
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    FieldWriter(file.subspan(places.names + names[i], heap_bytes(symbols[i].name)))
        .text(symbols[i].name);
  }
}

}  // namespace

std::uint64_t heap_bytes(std::string_view name) {
  return round_up_to_8(name.size() + 1);
}

SymbolTablePlaces place_symbol_table(std::size_t count, std::uint64_t name_bytes,
                                     std::uint64_t at) {
  SymbolTablePlaces places{};
  places.heap = at;
  places.names = at + kHeapBytes;
  places.nodes = places.names + kEmptyName + name_bytes;
  const std::vector<std::size_t> counts = node_counts(count);
  const std::size_t nodes = std::accumulate(counts.begin(), counts.end(), std::size_t{0});
  places.root = places.nodes + (nodes - 1) * kNodeBytes;
  places.tables = places.root + kNodeBytes;
  places.end = places.tables + divide_up(count, kSymbols) * kTableBytes;
  return places;
}

void write_symbol(std::span<std::byte> at, std::uint64_t name, const Symbol& symbol) {
  FieldWriter out(at);
  out.u64(name);
  out.u64(symbol.header);
  out.u32(symbol.is_group ? 1 : 0);  // whether the next but one are of a group
  out.skip(4);
  out.u64(symbol.tree);
  out.u64(symbol.heap);
}

void write_symbol_table(std::span<std::byte> file, const SymbolTablePlaces& places,
                        std::span<const Symbol> symbols, std::string_view path) {
  std::vector<std::uint64_t> names(symbols.size());
  std::uint64_t next = kEmptyName;
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    names[i] = next;
    next += heap_bytes(symbols[i].name);
  }
  write_heap(file, places, symbols, names);

  std::vector<std::size_t> order(symbols.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return symbols[a].name < symbols[b].name; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (const auto name = symbols[order[i]].name; name == symbols[order[i - 1]].name) {
      throw FormatError(
          fmt::format("'{}/{}' cannot be made: an object of that name exists.", path, name));
    }
  }

  std::vector<Branch> level;
  level.reserve(divide_up(order.size(), kSymbols));
  for (std::size_t i = 0; i < order.size(); i += kSymbols) {
    const std::uint64_t at = places.tables + level.size() * kTableBytes;
    const std::size_t count = std::min(kSymbols, order.size() - i);
    FieldWriter out(file.subspan(at, kTableBytes));
    out.text("SNOD");
    out.u8(1);  // version
    out.skip(1);
    out.u16(static_cast<std::uint16_t>(count));
    for (std::size_t k = i; k < i + count; ++k) {
      write_symbol(out.take(kSymbolBytes), names[order[k]], symbols[order[k]]);
    }
    level.push_back({at, names[order[i + count - 1]]});
  }
  std::uint64_t at = places.nodes;
  std::uint8_t number = 0;
  do {
    level = write_level(file, {number++, at}, level);
    at += level.size() * kNodeBytes;
  } while (level.size() > 1);
}

}  // namespace lamina::h5

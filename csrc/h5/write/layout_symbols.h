#pragma once
#include <cstdint>
#include <span>
#include <string_view>

namespace lamina::h5 {

/// A group's link, as its symbol table has it.
struct Symbol {
  std::string_view name;
  std::uint64_t header;  ///< of the object
  bool is_group;
  std::uint64_t tree = 0, heap = 0;  ///< of a group
};

/// Where the parts of a group's symbol table lie, which follow each other: the local heap of names,
/// the nodes of the B-tree from the leaves to its root, the tables of symbols.
struct SymbolTablePlaces {
  std::uint64_t heap;
  std::uint64_t names;
  std::uint64_t nodes;
  std::uint64_t root;
  std::uint64_t tables;
  std::uint64_t end;
};

/// For so many symbols, whose names take so many bytes in the heap (`heap_bytes` of each).
[[nodiscard]] SymbolTablePlaces place_symbol_table(std::size_t count, std::uint64_t name_bytes,
                                                   std::uint64_t at);
/// Of one name.
[[nodiscard]] std::uint64_t heap_bytes(std::string_view name);

/// Writes what lies at `places` of a file's first bytes; `symbols` are in the order of their
/// making, which the heap keeps. Throws FormatError, naming `path`, for two symbols of one name.
void write_symbol_table(std::span<std::byte> file, const SymbolTablePlaces& places,
                        std::span<const Symbol> symbols, std::string_view path);

/// How many symbols a table holds, and children a node of the tree: twice these, as the superblock
/// says. A table and a node take this room whatever is in them, and nearly every group of a
/// checkpoint has one to four links: HDF5's defaults, 4 and 16, would leave most of it empty.
inline constexpr std::uint16_t kLeafK = 2;
inline constexpr std::uint16_t kNodeK = 4;

/// A symbol as a table has it; the superblock has the root's.
inline constexpr std::size_t kSymbolBytes = 40;
void write_symbol(std::span<std::byte> at, std::uint64_t name, const Symbol& symbol);

}  // namespace lamina::h5

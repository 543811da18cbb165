#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "h5/cursor.h"
#include "storage/storage.h"

namespace lamina::h5 {

/// The bytes of one HDF5 file, as its parsers see them: addresses count from the superblock, reads
/// are within bounds and go through a cache of pages.
///
/// Every read is paid from a budget in proportion to the file's size. However blocks of a hostile
/// file point at one another (shared, overlapping, in cycles), the work that they cause stays
/// bounded, and a real file, whose blocks are each read once, never comes near. Not safe for use by
/// several threads.
class Metadata {
 public:
  Metadata(const storage::ReadableFile& file, std::uint64_t base, std::uint64_t size);

  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::uint64_t base() const { return base_; }
  Widths widths;

  /// True when all of [address, address + count) lies within the file.
  [[nodiscard]] bool holds(std::uint64_t address, std::uint64_t count) const {
    return address <= size_ && count <= size_ - address;
  }
  /// A copy of the bytes there. Throws Malformed past the end and above 16 MiB.
  [[nodiscard]] std::vector<std::byte> read(std::uint64_t address, std::uint64_t count);
  /// A NUL-terminated text of at most `limit` bytes before `end`.
  [[nodiscard]] std::string text(std::uint64_t address, std::uint64_t end, std::size_t limit);
  /// Pays for work of about `count` bytes. Throws Malformed when the budget is spent.
  void charge(std::uint64_t count);

 private:
  using Page = std::unique_ptr<std::byte[]>;

  void copy(std::uint64_t address, std::span<std::byte> out);
  const std::byte* page(std::uint64_t index);
  void load(std::uint64_t index, std::uint64_t count);

  const storage::ReadableFile& file_;
  std::uint64_t base_;
  std::uint64_t size_;
  std::uint64_t budget_;
  std::unordered_map<std::uint64_t, Page> pages_;
};

}  // namespace lamina::h5

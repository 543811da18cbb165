#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "h5/read/cursor.h"
#include "storage/storage.h"

namespace lamina::h5 {

/// Some of a file's bytes: a piece of a page that is kept as long as the block is, or a copy.
class Block {
 public:
  Block() = default;
  Block(std::shared_ptr<const std::byte[]> owner, std::span<const std::byte> bytes)
      : owner_(std::move(owner)), bytes_(bytes) {}

  [[nodiscard]] const std::byte* data() const { return bytes_.data(); }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] auto begin() const { return bytes_.begin(); }
  [[nodiscard]] auto end() const { return bytes_.end(); }
  operator std::span<const std::byte>() const& { return bytes_; }  // NOLINT(*-explicit-*)
  operator std::span<const std::byte>() const&& = delete;          // would outlive its owner

 private:
  std::shared_ptr<const std::byte[]> owner_;
  std::span<const std::byte> bytes_;
};

/// The objects of a global heap's collection, as far as it has been looked through.
struct HeapCollection {
  struct Object {
    std::uint64_t address, size;
  };
  std::uint64_t end = 0;
  std::uint64_t next = 0;                             ///< where to look on
  std::unordered_map<std::uint32_t, Object> objects;  ///< by index
};

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
  /// Of texts, by address. Whoever copies a file or makes groups in another order than that of a
  /// model's layers has neighbours' names lie in different ones.
  std::unordered_map<std::uint64_t, HeapCollection> collections;

  /// True when all of [address, address + count) lies within the file.
  [[nodiscard]] bool holds(std::uint64_t address, std::uint64_t count) const {
    return address <= size_ && count <= size_ - address;
  }
  /// The bytes there. Throws Malformed past the end and above 16 MiB.
  [[nodiscard]] Block read(std::uint64_t address, std::uint64_t count);
  /// A NUL-terminated text of at most `limit` bytes before `end`.
  [[nodiscard]] std::string text(std::uint64_t address, std::uint64_t end, std::size_t limit);
  /// Pays for work of about `count` bytes. Throws Malformed when the budget is spent.
  void charge(std::uint64_t count);

 private:
  /// Pages that were read in one piece.
  struct Window {
    std::shared_ptr<const std::byte[]> bytes;
    std::uint64_t begin = 0, end = 0;

    [[nodiscard]] bool holds(std::uint64_t address) const {
      return begin <= address && address < end;
    }
    [[nodiscard]] std::span<const std::byte> from(std::uint64_t address) const {
      return {bytes.get() + (address - begin), static_cast<std::size_t>(end - address)};
    }
  };

  void copy(std::uint64_t address, std::span<std::byte> out);
  /// The window that holds the byte there. Good until the next call.
  const Window& window(std::uint64_t address);
  Window load(std::uint64_t page, std::uint64_t count);

  const storage::ReadableFile& file_;
  std::uint64_t base_;
  std::uint64_t size_;
  std::uint64_t budget_;
  std::unordered_map<std::uint64_t, Window> pages_;
  Window last_;
};

}  // namespace lamina::h5

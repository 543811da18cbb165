#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace lamina::h5 {

/// Where a text of variable length is found.
struct TextPlace {
  std::uint32_t size;
  std::uint64_t collection;
  std::uint32_t index;
};

/// The global heap of a new file: collections of the texts of its attributes. No two attributes
/// share one, since HDF5 takes an attribute's text away with it.
class LayoutTexts {
 public:
  /// `text` lives as long as this. Gives the number by which `place` knows it.
  std::size_t add(std::string_view text);
  /// Once all are added: the collections follow each other from `at` on. Returns their end.
  std::uint64_t place_at(std::uint64_t at);
  [[nodiscard]] TextPlace place(std::size_t number) const;
  void write(std::span<std::byte> file) const;

 private:
  struct Collection {
    std::size_t first;       // of its texts
    std::uint64_t used;      // bytes
    std::uint64_t size = 0;  // at least HDF5's least
    std::uint64_t address = 0;
  };
  struct Text {
    std::string_view value;
    std::size_t collection;
  };

  std::vector<Collection> collections_;
  std::vector<Text> texts_;
};

}  // namespace lamina::h5

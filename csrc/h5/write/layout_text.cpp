// "HDF5 File Format Specification", III.E: the global heap.
#include "h5/write/layout_text.h"

#include <algorithm>

#include "h5/write/field_writer.h"

namespace lamina::h5 {
namespace {

constexpr std::uint64_t kLeast = 4096;  // of a collection: H5HG_MINSIZE, which readers read at once
constexpr std::uint64_t kHead = 16;     // of a collection, and of an object in it

std::uint64_t bytes_of(std::string_view text) {
  return kHead + round_up_to_8(text.size());
}

}  // namespace

std::size_t LayoutTexts::add(std::string_view text) {
  const std::uint64_t bytes = bytes_of(text);
  if (collections_.empty() || collections_.back().used + bytes > kLeast) {
    collections_.push_back({texts_.size(), kHead});
  }
  collections_.back().used += bytes;
  texts_.push_back({text, collections_.size() - 1});
  return texts_.size() - 1;
}

std::uint64_t LayoutTexts::place_at(std::uint64_t at) {
  for (Collection& collection : collections_) {
    collection.address = at;
    collection.size = std::max(kLeast, collection.used);
    at += collection.size;
  }
  return at;
}

TextPlace LayoutTexts::place(std::size_t number) const {
  const Text& text = texts_[number];
  const Collection& collection = collections_[text.collection];
  return {static_cast<std::uint32_t>(text.value.size()), collection.address,
          static_cast<std::uint32_t>(number - collection.first + 1)};
}

void LayoutTexts::write(std::span<std::byte> file) const {
  for (std::size_t i = 0; i < collections_.size(); ++i) {
    const Collection& collection = collections_[i];
    FieldWriter out(file.subspan(collection.address, collection.size));
    out.text("GCOL");
    out.u8(1);  // version
    out.skip(3);
    out.u64(collection.size);
    const std::size_t end = i + 1 < collections_.size() ? collections_[i + 1].first : texts_.size();
    for (std::size_t number = collection.first; number < end; ++number) {
      const std::string_view text = texts_[number].value;
      out.u16(static_cast<std::uint16_t>(number - collection.first + 1));
      out.skip(6);  // no references are counted
      out.u64(text.size());
      out.text(text);
      out.skip(round_up_to_8(text.size()) - text.size());
    }
    // What is left is an object of number 0, if it has room for a head.
    if (const std::uint64_t left = collection.size - collection.used; left >= kHead) {
      out.skip(8);
      out.u64(left);
    }
  }
}

}  // namespace lamina::h5

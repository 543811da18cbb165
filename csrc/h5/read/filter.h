#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace lamina::h5 {

struct Filter {
  enum class Kind : std::uint8_t { kDeflate, kShuffle, kFletcher32, kLzf };
  Kind kind;
  std::uint32_t element = 1;  ///< shuffle: bytes of an element
};

/// The filters that chunks went through when they were written, in that order.
using Pipeline = std::vector<Filter>;

/// Reads a filter pipeline message (versions 1 and 2). Throws Malformed naming a filter that Lamina
/// does not have.
[[nodiscard]] Pipeline read_pipeline(std::span<const std::byte> message);

/// Undoes the filters of one stored chunk, those whose bit in `skipped` is set excepted. The result
/// has exactly `size` bytes; throws Malformed otherwise, never holding much more than that.
[[nodiscard]] std::vector<std::byte> undo_filters(const Pipeline& pipeline, std::uint32_t skipped,
                                                  std::vector<std::byte> stored, std::size_t size);

}  // namespace lamina::h5

#pragma once
#include <cstdint>
#include <vector>

namespace lamina::checkpoint {

/// Bytes of a file.
struct FileRange {
  std::uint64_t offset;
  std::uint64_t size;
};

/// What `taken`, in ascending order and without overlap, leaves of the first `end` bytes.
[[nodiscard]] std::vector<FileRange> gaps_between(const std::vector<FileRange>& taken,
                                                  std::uint64_t end);

}  // namespace lamina::checkpoint

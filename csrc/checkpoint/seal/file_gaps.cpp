#include "checkpoint/seal/file_gaps.h"

namespace lamina::checkpoint {

std::vector<FileRange> gaps_between(const std::vector<FileRange>& taken, std::uint64_t end) {
  std::vector<FileRange> out;
  std::uint64_t at = 0;
  for (const FileRange& range : taken) {
    if (range.offset > at) out.push_back({at, range.offset - at});
    at = range.offset + range.size;
  }
  if (end > at) out.push_back({at, end - at});
  return out;
}

}  // namespace lamina::checkpoint

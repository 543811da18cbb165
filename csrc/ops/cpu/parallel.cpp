#include "ops/cpu/parallel.h"

#include <cstddef>
#include <cstring>

namespace lamina::ops::cpu {

void parallel_copy(const void* from, void* to, std::size_t bytes) {
  const auto* source = static_cast<const std::byte*>(from);
  auto* target = static_cast<std::byte*>(to);
  parallel_ranges(
      static_cast<std::int64_t>(bytes / 4), 1, [&](std::int64_t begin, std::int64_t end) {
        const auto first = static_cast<std::size_t>(begin) * 4;
        std::memcpy(target + first, source + first, static_cast<std::size_t>(end - begin) * 4);
      });
  const std::size_t rest = bytes % 4;
  if (rest != 0) std::memcpy(target + bytes - rest, source + bytes - rest, rest);
}

}  // namespace lamina::ops::cpu

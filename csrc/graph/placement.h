#pragma once
#include <cstddef>
#include <vector>

namespace lamina::graph {

/// `bytes` that must stay untouched from step `first` to step `last`, both included.
struct Lifetime {
  std::size_t first, last, bytes;
};

struct Placement {
  std::vector<std::size_t> offsets;  ///< by lifetime, 64-byte aligned
  std::size_t bytes = 0;             ///< of the whole arena
};

/// Places each lifetime so that no two that meet in time meet in memory: one after the other, each
/// into a gap among those placed before that it meets. The order decides how well that goes: a few
/// are tried (by bytes, by bytes times steps, by steps), each again with what found no room moved
/// to the front, until no arena could be smaller; of many thousands less often. Deterministic.
[[nodiscard]] Placement place(const std::vector<Lifetime>& lifetimes);

}  // namespace lamina::graph

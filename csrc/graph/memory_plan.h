#pragma once
#include <functional>
#include <vector>

#include "graph/program.h"

namespace lamina::graph {

/// Where a value's bytes are during a run.
struct Slot {
  enum class Where : std::uint8_t { kInput, kOutput, kArena };
  Where where = Where::kArena;
  std::size_t at = 0;  ///< which input or output of the program, or the offset in the arena
  friend bool operator==(const Slot&, const Slot&) = default;
};

/// What the kernels allow and want, by operation index.
struct KernelNeeds {
  std::function<bool(std::size_t op, std::size_t input)> can_run_in_place;
  std::function<std::size_t(std::size_t op)> workspace_bytes;
};

struct MemoryPlan {
  std::vector<Slot> values;   ///< by ValueId; values that nothing writes have none of meaning
  std::vector<bool> is_view;  ///< by operation: a reshape that shares its input's bytes
  std::vector<std::size_t> workspace;  ///< by operation: offset in the arena
  std::size_t arena_bytes = 0;
};

/// Places all values of a program whose outputs are separate (see separate_outputs): inputs stay
/// where the caller has them, outputs are written where the caller wants them, all others and the
/// kernels' workspaces share one arena by liveness. Reshapes become views; a kernel runs in place
/// where it can and nobody reads the overwritten input again. Throws ValueError for a value that is
/// too large for any memory.
[[nodiscard]] MemoryPlan plan_memory(const Program& program, const KernelNeeds& needs);

}  // namespace lamina::graph

#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "graph/builder.h"

namespace lamina::layers {

/// How far attention reaches from each place, whatever stands there.
struct Reach {
  bool causal = false;  ///< up to the same place
  std::optional<std::int64_t> window = {};

  [[nodiscard]] bool limited() const { return causal || window; }
  [[nodiscard]] bool includes(std::int64_t target, std::int64_t source) const {
    const std::int64_t apart = target < source ? source - target : target - source;
    return !(causal && source > target) && !(window && apart >= *window);
  }
};

/// Added to a score, it leaves nothing of it; where everything is masked all sources are alike.
inline constexpr double kNothing = -0.7 * 3.4028234663852886e38;

/// Scores (batch, heads, targets, sources) so that a softmax of them leaves nothing of what is
/// masked.
struct MaskedScores {
  graph::ValueId scores;
  /// 1 for what is not masked, else 0, where there are masks; it broadcasts to the scores.
  std::optional<graph::ValueId> seen;
};
/// What becomes of a masked score: `addend` is added to it, or takes its place, so that where
/// everything is masked no gradient comes to the scores.
struct WhereMasked {
  double addend = kNothing;
  bool replaces = false;
};
/// Masked is what is out of reach, and where any of `masks`, which broadcast to the scores, is
/// false.
[[nodiscard]] MaskedScores masked_scores(graph::Builder& builder, graph::ValueId scores,
                                         const Reach& reach,
                                         const std::vector<graph::ValueId>& masks,
                                         const WhereMasked& where = {});

}  // namespace lamina::layers

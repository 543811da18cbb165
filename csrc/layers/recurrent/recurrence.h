#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "graph/builder.h"

// How a recurrence becomes operations: one step after another.
namespace lamina::layers {

/// `count` places of `axis` from `begin` on.
[[nodiscard]] graph::ValueId slice(graph::Builder& builder, graph::ValueId x, std::size_t axis,
                                   std::int64_t begin, std::int64_t count);

[[nodiscard]] Shape without_axis(const Shape& shape, std::size_t axis);

/// (batch, time, ...) -> (time, batch, ...).
[[nodiscard]] graph::ValueId time_first(graph::Builder& builder, graph::ValueId x);
/// (time, batch, ...) -> (time * batch, ...).
[[nodiscard]] graph::ValueId in_rows(graph::Builder& builder, graph::ValueId x);
/// (time * batch, ...) -> (time, batch, ...).
[[nodiscard]] graph::ValueId by_step(graph::Builder& builder, graph::ValueId rows,
                                     std::int64_t steps);
/// What steps give, (batch, ...) each -> (time, batch, ...).
[[nodiscard]] graph::ValueId joined(graph::Builder& builder,
                                    const std::vector<graph::ValueId>& outputs);

/// The steps of (time * batch, ...), to be read in order or in reverse. They are cut out of parts
/// of parts: the gradient of a part is as large as what it was cut out of, and those of single
/// steps from the whole would cost the square of their number.
class Steps {
 public:
  Steps(graph::Builder& builder, graph::ValueId whole, std::int64_t count);
  /// (batch, ...).
  [[nodiscard]] graph::ValueId at(std::int64_t step);

 private:
  struct Part {
    std::int64_t first, count;
    graph::ValueId value;
  };
  graph::Builder& builder_;
  std::int64_t batch_;
  std::vector<Part> parts_;  ///< each cut out of the one before it
};

/// What is handed from one step to the next, each (batch, ...); the first is the output.
using States = std::vector<graph::ValueId>;
/// The states behind a step, of its input (batch, ...) and the states in front of it.
using Step = std::function<States(graph::ValueId, const States&)>;

/// Each is some ten operations of a program.
inline constexpr std::int64_t kMostSteps = std::int64_t{1} << 17;

struct Recurrence {
  graph::ValueId inputs;  ///< (time * batch, ...)
  std::int64_t steps;
  States initial;
  bool go_backwards = false;
  bool return_sequences = false;
  bool zero_output_for_mask = false;
  bool flipped = false;  ///< sequences are given in the reverse order
  /// (batch, time): where it is false or 0 a step leaves the states as they are, and gives the
  /// output of the step before it or zeros.
  std::optional<graph::ValueId> mask = {};
};

struct Unrolled {
  graph::ValueId output;  ///< (batch, ...), or of sequences (time, batch, ...)
  States states;
};
[[nodiscard]] Unrolled unroll(graph::Builder& builder, const Recurrence& recurrence,
                              const Step& step);

}  // namespace lamina::layers

#pragma once
#include <lamina/variable.h>

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ops/spec.h"

namespace lamina::graph {

using ValueId = std::size_t;

/// A variable's value where the host can reach it, as `dtype`.
[[nodiscard]] inline Tensor host_value(const Variable& variable, DType dtype) {
  return variable.value().to(Device::cpu()).cast(dtype);
}

/// A tensor, on the host, that changes only when its source variables do. Before the passes it is a
/// variable's value; afterwards it may be computed from several (a kernel with batch normalisation
/// folded in).
struct Param {
  std::vector<VariablePtr> sources;
  std::function<Tensor()> value;
  /// The variable whose elements these are, in order, where that is so: a gradient with respect to
  /// this is one with respect to the variable. `as` is then what value() makes of it.
  VariablePtr variable = nullptr;
  ops::TensorSpec as = {};
  bool constant = false;  ///< for derivatives: none is taken with respect to this

  /// The variable itself, cast to `dtype`.
  static Param of(VariablePtr variable, DType dtype) {
    const Shape shape = variable->shape();
    return of(std::move(variable), dtype, shape);
  }
  /// The same under another shape.
  static Param of(VariablePtr variable, DType dtype, const Shape& shape) {
    return {{variable},
            [variable, dtype, shape] { return host_value(*variable, dtype).reshape(shape); },
            variable,
            {shape, dtype}};
  }
};

struct Op {
  ops::OpSpec spec;
  std::vector<ValueId> inputs;
  std::vector<Param> params;
  ValueId output;
  std::string layer;  ///< the layer that emitted it, for messages
};

/// After a run in training mode: variable = variable * momentum + row * (1 - momentum), where `row`
/// is that of the statistics, an output of the program.
struct MovingAverage {
  VariablePtr variable;
  ValueId statistics;
  std::int64_t row;
  double momentum;
};

/// After a run in any mode: variable = value, an output of the program. What a layer carries from
/// one call to the next.
struct StateUpdate {
  VariablePtr variable;
  ValueId value;
};

/// A model lowered for one set of input shapes: straight-line, in execution order, each value
/// written once. A plain value: passes make a new one from an old one.
struct Program {
  /// Elements stay where they are: shapes are read while operations are added.
  std::deque<ops::TensorSpec> values;
  std::vector<ValueId> inputs, outputs;
  std::vector<Op> ops;
  /// The input that Dropout and Noise draw from, (2) uint64: a seed and a counter. Behind the
  /// model's inputs.
  std::optional<ValueId> random_state = {};
  std::vector<MovingAverage> moving_averages = {};
  /// Scalars, float32 or float64, that what layers give adds to the loss.
  std::vector<ValueId> activity_penalties = {};
  /// Which output, bool, is the mask of each of a model's own, if that has one.
  std::vector<std::optional<std::size_t>> output_masks = {};
  std::vector<StateUpdate> state_updates = {};  ///< of each variable one

  ValueId add_value(ops::TensorSpec spec) {
    values.push_back(std::move(spec));
    return values.size() - 1;
  }
};

}  // namespace lamina::graph

#pragma once
#include <lamina/variable.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>
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

/// A model lowered for one set of input shapes: straight-line, in execution order, each value
/// written once. A plain value: passes make a new one from an old one.
struct Program {
  std::vector<ops::TensorSpec> values;
  std::vector<ValueId> inputs, outputs;
  std::vector<Op> ops;
  /// The input that Dropout draws from, (2) uint64: a seed and a counter. Behind the model's
  /// inputs.
  std::optional<ValueId> random_state = {};
  std::vector<MovingAverage> moving_averages = {};
  /// Scalars, float32 or float64, that what layers give adds to the loss.
  std::vector<ValueId> activity_penalties = {};

  ValueId add_value(ops::TensorSpec spec) {
    values.push_back(std::move(spec));
    return values.size() - 1;
  }
};

/// What a layer writes its operations into.
class Builder {
 public:
  /// Evaluation is inference with what activities add to the loss.
  enum class Mode : std::uint8_t { kInference, kEvaluation, kTraining };

  explicit Builder(Program& program, Mode mode = Mode::kInference)
      : program_(program), mode_(mode) {}

  /// Whether layers that behave differently in training do so.
  [[nodiscard]] bool training() const { return mode_ == Mode::kTraining; }
  /// Whether activity penalties are wanted.
  [[nodiscard]] bool penalizes() const { return mode_ != Mode::kInference; }
  void add_penalty(ValueId scalar) { program_.activity_penalties.push_back(scalar); }

  [[nodiscard]] const ops::TensorSpec& spec(ValueId id) const { return program_.values[id]; }
  [[nodiscard]] const Shape& shape(ValueId id) const { return program_.values[id].shape; }
  [[nodiscard]] DType dtype(ValueId id) const { return program_.values[id].dtype; }

  /// Appends `spec`, whose TensorSpecs the caller has filled, and returns its output (the spec's
  /// `y`).
  ValueId emit(ops::OpSpec spec, std::vector<ValueId> inputs, std::vector<Param> params = {});

  // Shorthands that fill in the specs.
  ValueId activation(ValueId x, ops::Activation activation);
  ValueId binary(ops::Binary kind, ValueId x0, ValueId x1);
  ValueId reshape(ValueId x, Shape shape);
  ValueId transpose(ValueId x, std::vector<std::size_t> perm);
  ValueId cast(ValueId x, DType dtype);

  /// Row `index` of a value (rows, ...), under `shape`.
  ValueId row(ValueId x, std::int64_t index, Shape shape);
  /// x summed over `axes` (sorted).
  ValueId sum(ValueId x, std::vector<std::size_t> axes, Shape shape);

  // Training mode.
  /// A Dropout with a stream of its own.
  ValueId dropout(ValueId x, double rate);
  /// Has `variable` follow a row of `statistics` (see MovingAverage).
  void moving_average(VariablePtr variable, ValueId statistics, std::int64_t row, double momentum) {
    program_.moving_averages.push_back({std::move(variable), statistics, row, momentum});
  }

  /// Whose operations follow; returns the previous name.
  std::string set_layer(std::string name) { return std::exchange(layer_, std::move(name)); }

 private:
  Program& program_;
  Mode mode_;
  std::uint32_t dropouts_ = 0;
  std::string layer_;
};

}  // namespace lamina::graph

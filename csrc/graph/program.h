#pragma once
#include <lamina/variable.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "ops/spec.h"

namespace lamina::graph {

using ValueId = std::size_t;

/// A tensor that changes only when its source variables do. Before the passes it is a variable's
/// value; afterwards it may be computed from several (a kernel with batch normalisation folded in).
struct Param {
  std::vector<VariablePtr> sources;
  std::function<Tensor()> value;

  /// The variable itself, cast to `dtype`.
  static Param of(VariablePtr variable, DType dtype) {
    return {{variable}, [variable, dtype] { return variable->value().cast(dtype); }};
  }
};

struct Op {
  ops::OpSpec spec;
  std::vector<ValueId> inputs;
  std::vector<Param> params;
  ValueId output;
  std::string layer;  ///< the layer that emitted it, for messages
};

/// A model lowered for one set of input shapes: straight-line, in execution order, each value
/// written once. A plain value: passes make a new one from an old one.
struct Program {
  std::vector<ops::TensorSpec> values;
  std::vector<ValueId> inputs, outputs;
  std::vector<Op> ops;

  ValueId add_value(ops::TensorSpec spec) {
    values.push_back(std::move(spec));
    return values.size() - 1;
  }
};

/// What a layer writes its operations into.
class Builder {
 public:
  explicit Builder(Program& program) : program_(program) {}

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

  /// Whose operations follow; returns the previous name.
  std::string set_layer(std::string name) { return std::exchange(layer_, std::move(name)); }

 private:
  Program& program_;
  std::string layer_;
};

}  // namespace lamina::graph

#pragma once
#include <string>
#include <utility>
#include <vector>

#include "layers/axes.h"
#include "layers/library_layer.h"
#include "layers/recurrent/cell.h"
#include "layers/recurrent/cell_options.h"

namespace lamina::layers {

/// Cells as layers that go one step when they are applied by themselves, whatever a step is.
/// `Base` is their LibraryLayer.
template <class Base>
class CellLayer : public Base, public Cell {
 public:
  [[nodiscard]] CallSignature call_signature() const override {
    return {.inputs = {call_.input, "states"}, .required = 2, .ends_in_list = true};
  }
  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    check_shapes(inputs);
    return Shapes(1 + states(), state_shape(inputs[0]));
  }
  [[nodiscard]] std::size_t states() const override { return call_.states; }

 protected:
  struct Call {
    const char* input;  ///< what Keras's `call` names it
    std::size_t states;
  };
  template <class... Args>
  explicit CellLayer(const Call& call, Args&&... args)
      : Base(std::forward<Args>(args)...), call_(call) {
    this->input_spec_.count = std::nullopt;  // states are inputs too
  }

  [[nodiscard]] Ids on_lower_call(Builder& builder, const Ids& inputs, const CallValues&) override {
    Shapes shapes;
    for (const ValueId input : inputs) shapes.push_back(builder.shape(input));
    check_shapes(shapes);
    const Course course = begin(builder, by_step(builder, inputs[0], 1));
    States before;
    for (std::size_t i = 1; i < inputs.size(); ++i) before.push_back(state(builder, inputs[i]));
    Ids outputs = course.step(course.inputs, before);
    for (ValueId& output : outputs) output = as_given(builder, output);
    outputs.insert(outputs.begin(), outputs[0]);
    return outputs;
  }

  void check_step(const Shape& x) const {
    Shape expected = expected_step();
    if (fits(x, expected)) return;
    if (x.rank() > 0) expected[0] = x[0];
    this->fail("takes one step of the shape " + expected.str() + ". Received: " + x.str());
  }

  /// A variable as a value.
  [[nodiscard]] ValueId value_of(Builder& builder, const VariablePtr& variable) const {
    const ops::TensorSpec spec{variable->shape(), this->compute_dtype()};
    return builder.emit(ops::ParamValue{spec}, {}, {graph::Param::of(variable, spec.dtype)});
  }
  [[nodiscard]] ValueId constant(Builder& builder, const Shape& shape, double value) const {
    return filled(builder, {shape, this->compute_dtype()}, value);
  }
  /// Ones of which some are dropped, and what is kept of them scaled; nothing where all are kept.
  [[nodiscard]] std::optional<ValueId> dropped(Builder& builder, const Shape& shape,
                                               double rate) const {
    using Options = std::decay_t<decltype(this->options_)>;
    // A rate of 1 is none for what has gates, in Keras.
    if (!builder.training() || rate == 0 || (kGated<Options> && rate == 1)) return std::nullopt;
    return builder.dropout(constant(builder, shape, 1), rate);
  }

 private:
  [[nodiscard]] static bool fits(const Shape& shape, const Shape& expected) {
    if (shape.rank() != expected.rank()) return false;
    for (std::int64_t i = 1; i < static_cast<std::int64_t>(shape.rank()); ++i) {
      if (expected[i] != kNone && shape[i] != expected[i]) return false;
    }
    return true;
  }

  void check_shapes(const Shapes& inputs) {
    const Shape& x = inputs.at(0);
    check_step(x);
    if (inputs.size() != 1 + states()) {
      this->fail("takes " + std::to_string(states()) +
                 " states. Received: " + std::to_string(inputs.size() - 1));
    }
    const Shape expected = state_shape(x);
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      const Shape& state = inputs[i];
      if (fits(state, expected) && (state[0] == x[0] || state[0] == kNone || x[0] == kNone)) {
        continue;
      }
      this->fail("takes states of the shape " + expected.str() + ". Received: " + state.str());
    }
  }

  const Call call_;
};

}  // namespace lamina::layers

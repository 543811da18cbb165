#pragma once
#include <cstring>
#include <utility>
#include <vector>

#include "layers/axes.h"
#include "layers/library_layer.h"
#include "layers/recurrent/cell.h"
#include "layers/recurrent/cell_options.h"
#include "layers/recurrent/gate_product.h"

namespace lamina::layers {

/// SimpleRNNCell, LSTMCell and GRUCell but for what a step is.
template <class Options>
class RecurrentCell : public LibraryLayer<Options>, public Cell {
 public:
  [[nodiscard]] CallSignature call_signature() const override {
    return {.inputs = {form_.input, "states"}, .required = 2, .ends_in_list = true};
  }
  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    check_shapes(inputs);
    return Shapes(1 + form_.states, Shape{inputs[0][0], units()});
  }

  [[nodiscard]] std::int64_t units() const override { return this->options_.units; }
  [[nodiscard]] std::size_t states() const override { return form_.states; }
  [[nodiscard]] std::int64_t features() const override {
    return kernel_ ? kernel_->shape()[0] : kNone;
  }
  [[nodiscard]] Course begin(Builder& builder, ValueId x) override {
    x = this->computable(builder, x);
    const std::int64_t batch = builder.shape(x)[1];
    return {finished(builder, projected(builder, x)), step(builder, batch)};
  }
  [[nodiscard]] ValueId state(Builder& builder, ValueId given) override {
    return this->computable(builder, given);
  }
  [[nodiscard]] ValueId zero_state(Builder& builder, std::int64_t batch) override {
    return constant(builder, {batch, units()}, 0);
  }

 protected:
  struct Form {
    const char* class_name;
    const char* input;   ///< what Keras's `call` names it
    std::int64_t gates;  ///< how many parts the kernels have
    std::size_t states;
    bool two_biases = false;  ///< of either kernel one: rows of one variable
  };
  RecurrentCell(const Form& form, Options options)
      : LibraryLayer<Options>(form.class_name, within_bounds(std::move(options))), form_(form) {
    this->checked([&] { check_cell_options(this->options_); });
    this->input_spec_.count = std::nullopt;  // states are inputs too
  }

  /// Of the shape of one step's input.
  void on_build(const Shapes& inputs) override {
    check_step(inputs.at(0));
    const Options& o = this->options_;
    const std::int64_t columns = form_.gates * units();
    kernel_ = this->add_weight("kernel", {inputs.at(0)[-1], columns}, o.kernel_initializer.bind(),
                               {o.kernel_regularizer, o.kernel_constraint});
    recurrent_kernel_ =
        this->add_weight("recurrent_kernel", {units(), columns}, o.recurrent_initializer.bind(),
                         {o.recurrent_regularizer, o.recurrent_constraint});
    if (!o.use_bias) return;
    const Shape bias = form_.two_biases ? Shape{2, columns} : Shape{columns};
    bias_ =
        this->add_weight("bias", bias, bias_initializer(), {o.bias_regularizer, o.bias_constraint});
  }

  /// One step by itself.
  [[nodiscard]] Ids on_lower_call(Builder& builder, const Ids& inputs, const CallValues&) override {
    Shapes shapes;
    for (const ValueId input : inputs) shapes.push_back(builder.shape(input));
    check_shapes(shapes);
    const ValueId x = builder.reshape(inputs[0], {1, shapes[0][0], shapes[0][1]});
    const Course course = begin(builder, x);
    States before;
    for (std::size_t i = 1; i < inputs.size(); ++i) before.push_back(state(builder, inputs[i]));
    Ids outputs = course.step(course.inputs, before);
    outputs.insert(outputs.begin(), outputs[0]);
    return outputs;
  }

  /// Writes what all steps share, and gives what writes one.
  [[nodiscard]] virtual Step step(Builder& builder, std::int64_t batch) = 0;
  /// What is added to the products of all inputs, (gates * units); null: nothing.
  [[nodiscard]] virtual const VariablePtr& input_bias() const { return bias_; }
  /// These products (time * batch, gates * units) with what else they need.
  [[nodiscard]] virtual ValueId finished(Builder&, ValueId products) const { return products; }

  [[nodiscard]] const VariablePtr& recurrent_kernel() const noexcept { return recurrent_kernel_; }
  /// Null without `use_bias`.
  [[nodiscard]] const VariablePtr& bias() const noexcept { return bias_; }

  /// A variable as a value.
  [[nodiscard]] ValueId value_of(Builder& builder, const VariablePtr& variable) const {
    const ops::TensorSpec spec{variable->shape(), this->compute_dtype()};
    return builder.emit(ops::ParamValue{spec}, {}, {graph::Param::of(variable, spec.dtype)});
  }
  [[nodiscard]] ValueId constant(Builder& builder, const Shape& shape, double value) const {
    return filled(builder, {shape, this->compute_dtype()}, value);
  }
  /// The product of states with the columns of `kernel`, which are those of gates `first` up to
  /// `first + count`.
  [[nodiscard]] GateProduct recurrent_product(Builder& builder, ValueId kernel,
                                              std::optional<ValueId> masks, std::int64_t first,
                                              std::int64_t count) const {
    kernel = slice(builder, kernel, 1, first * units(), count * units());
    if (masks) masks = slice(builder, *masks, 0, first, count);
    return {builder, kernel, count, masks};
  }
  /// What `recurrent_dropout` leaves of the states, (gates, batch, units); none: all.
  [[nodiscard]] std::optional<ValueId> state_masks(Builder& builder, std::int64_t batch) const {
    return dropped(builder, {form_.gates, batch, units()}, this->options_.recurrent_dropout);
  }
  /// Gate `i` of (batch, gates * units).
  [[nodiscard]] ValueId gate(Builder& builder, ValueId gates, std::int64_t i) const {
    return slice(builder, gates, 1, i * units(), units());
  }

 private:
  void check_step(const Shape& x) const {
    if (x.rank() == 2 && (!kernel_ || x[1] == features())) return;
    const Shape expected{x.rank() == 0 ? kNone : x[0], features()};
    this->fail("takes one step of the shape " + expected.str() + ". Received: " + x.str());
  }

  void check_shapes(const Shapes& inputs) const {
    const Shape& x = inputs.at(0);
    check_step(x);
    if (inputs.size() != 1 + form_.states) {
      this->fail("takes " + std::to_string(form_.states) +
                 " states. Received: " + std::to_string(inputs.size() - 1));
    }
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      const Shape& state = inputs[i];
      if (state.rank() == 2 && state[1] == units() &&
          (state[0] == x[0] || state[0] == kNone || x[0] == kNone)) {
        continue;
      }
      this->fail("takes states of the shape " + Shape{x[0], units()}.str() +
                 ". Received: " + state.str());
    }
  }

  [[nodiscard]] Variable::Initializer bias_initializer() const {
    const Variable::Initializer plain = this->options_.bias_initializer.bind();
    if constexpr (requires(const Options& options) { options.unit_forget_bias; }) {
      if (this->options_.unit_forget_bias) return with_forget_bias(plain, units());
    }
    return plain;
  }
  /// Ones for the second gate.
  [[nodiscard]] static Variable::Initializer with_forget_bias(Variable::Initializer plain,
                                                              std::int64_t units) {
    return [plain = std::move(plain), units](const Shape& shape, DType dtype) {
      const Variable::Initializer ones = Initializer("ones").bind();
      Tensor whole = Tensor::empty(shape, dtype);
      std::byte* to = whole.bytes().data();
      for (const Tensor& part :
           {plain({units}, dtype), ones({units}, dtype), plain({2 * units}, dtype)}) {
        std::memcpy(to, part.bytes().data(), part.nbytes());
        to += part.nbytes();
      }
      return whole;
    };
  }

  /// Ones of which some are dropped, and what is kept of them scaled; nothing where all are kept.
  [[nodiscard]] std::optional<ValueId> dropped(Builder& builder, const Shape& shape,
                                               double rate) const {
    // A rate of 1 is none for what has gates, in Keras.
    if (!builder.training() || rate == 0 || (kGated<Options> && rate == 1)) return std::nullopt;
    return builder.dropout(constant(builder, shape, 1), rate);
  }

  /// (time, batch, features) -> (time * batch, gates * units).
  [[nodiscard]] ValueId projected(Builder& builder, ValueId x) const {
    const Shape shape = builder.shape(x);
    const DType dtype = this->compute_dtype();
    const std::int64_t rows = shape[0] * shape[1];
    const VariablePtr& bias = input_bias();
    const bool by_gate = kGated<Options> && this->options_.recurrent_dropout != 0;
    const auto masks =
        dropped(builder, {by_gate ? form_.gates : 1, shape[1], shape[2]}, this->options_.dropout);
    if (masks && by_gate) return projected_by_gate(builder, x, *masks);
    if (masks) x = builder.binary(ops::Binary::kMultiply, x, *masks);
    ops::Dense op;
    op.x = {{rows, shape[2]}, dtype};
    op.y = {{rows, form_.gates * units()}, dtype};
    op.bias = bias != nullptr;
    std::vector<graph::Param> params{graph::Param::of(kernel_, dtype)};
    if (op.bias) params.push_back(graph::Param::of(bias, dtype));
    return builder.emit(std::move(op), {builder.reshape(x, {rows, shape[2]})}, std::move(params));
  }
  [[nodiscard]] ValueId projected_by_gate(Builder& builder, ValueId x, ValueId masks) const {
    const Shape shape = builder.shape(x);
    const ValueId each = builder.reshape(masks, {form_.gates, 1, shape[1], shape[2]});
    x = builder.reshape(builder.binary(ops::Binary::kMultiply, each, x),
                        {form_.gates, shape[0] * shape[1], shape[2]});
    const ValueId kernel = kernel_by_gate(builder, value_of(builder, kernel_), form_.gates);
    const ValueId y = product_by_gate(builder, x, kernel);
    if (!input_bias()) return y;
    return builder.binary(ops::Binary::kAdd, y, value_of(builder, input_bias()));
  }

  const Form form_;
  VariablePtr kernel_, recurrent_kernel_, bias_;
};

}  // namespace lamina::layers

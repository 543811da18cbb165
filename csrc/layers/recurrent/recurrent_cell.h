#pragma once
#include <utility>
#include <vector>

#include "layers/recurrent/cell_layer.h"
#include "layers/recurrent/gate_product.h"

namespace lamina::layers {

/// SimpleRNNCell, LSTMCell and GRUCell but for what a step is.
template <class Options>
class RecurrentCell : public CellLayer<LibraryLayer<Options>> {
  using Base = CellLayer<LibraryLayer<Options>>;

 public:
  using Course = Cell::Course;

  [[nodiscard]] Shape expected_step() const override {
    return {kNone, kernel_ ? kernel_->shape()[0] : kNone};
  }
  [[nodiscard]] Shape state_shape(const Shape& step) override { return {step[0], units()}; }
  [[nodiscard]] Course begin(Builder& builder, ValueId x) override {
    x = this->computable(builder, x);
    const std::int64_t batch = builder.shape(x)[1];
    return {finished(builder, projected(builder, x)), step(builder, batch)};
  }
  [[nodiscard]] ValueId state(Builder& builder, ValueId given) override {
    return this->computable(builder, given);
  }
  [[nodiscard]] ValueId zero_state(Builder& builder, const Shape& step) override {
    return this->constant(builder, state_shape(step), 0);
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
      : Base({form.input, form.states}, form.class_name, within_bounds(std::move(options))),
        form_(form) {
    this->checked([&] { check_cell_options(this->options_); });
  }

  /// Of the shape of one step's input.
  void on_build(const Shapes& inputs) override {
    this->check_step(inputs.at(0));
    const Options& o = this->options_;
    const std::int64_t columns = form_.gates * units();
    kernel_ = this->add_weight("kernel", {inputs.at(0)[-1], columns}, o.kernel_initializer.bind(),
                               {o.kernel_regularizer, o.kernel_constraint});
    recurrent_kernel_ =
        this->add_weight("recurrent_kernel", {units(), columns}, o.recurrent_initializer.bind(),
                         {o.recurrent_regularizer, o.recurrent_constraint});
    if (!o.use_bias) return;
    const Shape bias = form_.two_biases ? Shape{2, columns} : Shape{columns};
    bias_ = this->add_weight("bias", bias, bias_initializer(o, units()),
                             {o.bias_regularizer, o.bias_constraint});
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

  [[nodiscard]] std::int64_t units() const { return this->options_.units; }
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
    return this->dropped(builder, {form_.gates, batch, units()}, this->options_.recurrent_dropout);
  }
  /// Gate `i` of (batch, gates * units).
  [[nodiscard]] ValueId gate(Builder& builder, ValueId gates, std::int64_t i) const {
    return slice(builder, gates, 1, i * units(), units());
  }

 private:
  /// (time, batch, features) -> (time * batch, gates * units).
  [[nodiscard]] ValueId projected(Builder& builder, ValueId x) const {
    const Shape shape = builder.shape(x);
    const DType dtype = this->compute_dtype();
    const std::int64_t rows = shape[0] * shape[1];
    const VariablePtr& bias = input_bias();
    const bool by_gate = kGated<Options> && this->options_.recurrent_dropout != 0;
    const auto masks = this->dropped(builder, {by_gate ? form_.gates : 1, shape[1], shape[2]},
                                     this->options_.dropout);
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
    const ValueId kernel = kernel_by_gate(builder, this->value_of(builder, kernel_), form_.gates);
    const ValueId y = product_by_gate(builder, x, kernel);
    if (!input_bias()) return y;
    return builder.binary(ops::Binary::kAdd, y, this->value_of(builder, input_bias()));
  }

  const Form form_;
  VariablePtr kernel_, recurrent_kernel_, bias_;
};

}  // namespace lamina::layers

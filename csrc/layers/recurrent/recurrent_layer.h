#pragma once
#include <lamina/error.h>

#include <algorithm>
#include <memory>

#include "layers/activation_function.h"
#include "layers/arguments.h"
#include "layers/config/registered_layers.h"
#include "layers/naming.h"
#include "layers/recurrent/gate_product.h"
#include "layers/recurrent/recurrence.h"
#include "layers/recurrent/recurrent.h"
#include "layers/recurrent/recurrent_cell.h"
#include "layers/recurrent/sequence_layer.h"

namespace lamina::layers {

/// SimpleRNN, LSTM and GRU but for what a step is.
template <class Options>
class RecurrentLayer : public SequenceLayer<Options>, public Recurrent {
 public:
  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    check_shapes(inputs);
    const std::int64_t batch = inputs[0][0];
    Shapes out{{batch, units()}};
    if (this->options_.return_sequences) out[0] = {batch, inputs[0][1], units()};
    if (this->options_.return_state) out.resize(1 + form_.states, Shape{batch, units()});
    return out;
  }

  [[nodiscard]] Options current_options() const override {
    Options options = LibraryLayer<Options>::current_options();
    options.zero_output_for_mask = zero_output_for_mask_;
    return options;
  }

  [[nodiscard]] Way way() const override {
    return {this->options_.go_backwards, this->options_.return_sequences,
            this->options_.return_state ? form_.states : 0};
  }
  void set_zero_output_for_mask(bool zero) override { zero_output_for_mask_ = zero; }

 protected:
  using Cell = RecurrentCell<Options>;
  struct Form {
    const char *class_name, *cell_class, *cell;
    std::int64_t gates;
    std::size_t states;
    bool two_biases = false;
  };
  RecurrentLayer(const Form& form, Options options)
      : SequenceLayer<Options>(form.class_name, within_bounds(std::move(options))),
        form_(form),
        zero_output_for_mask_(this->options_.zero_output_for_mask) {
    if (units() <= 0) {
      this->fail(
          "Received an invalid value for argument `units`, expected a positive integer, got " +
          std::to_string(units()) + ".");
    }
    if (units() > kLargestDim) this->fail("`units` is too large: " + std::to_string(units()));
    this->checked([&] {
      check_activation(this->options_.activation);
      if constexpr (kGated) check_activation(this->options_.recurrent_activation);
    });
    if (this->options_.stateful) {
      throw UnsupportedError(
          in_words(*this).append(": the option 'stateful' has a value that is not supported: true. "
                                 "States are not kept from one batch to the next."));
    }
    cell_ = std::make_shared<Cell>(
        typename Cell::Form{form_.cell_class, form_.cell, form_.gates, form_.two_biases},
        this->options_, this->dtype_policy().name);
    cell_->hold(this->attributes());
    this->track("cell", cell_);
  }

  void on_build(const Shapes& inputs) override {
    check_shapes(inputs);
    cell_->build({{inputs[0][0], inputs[0][2]}});
    for (const VariablePtr& variable : cell_->own_variables()) {
      variable->set_path(this->name() + "/" + variable->path());
    }
  }

  [[nodiscard]] Ids on_lower_call(Builder& builder, const Ids& inputs,
                                  const CallValues& call) override {
    const ValueId x = time_first(builder, this->computable(builder, inputs.at(0)));
    const std::int64_t steps = builder.shape(x)[0], batch = builder.shape(x)[1];
    if (steps == 0) this->fail("Received a sequence without steps.");
    if (steps > kMostSteps) {
      this->fail("Received a sequence of " + std::to_string(steps) + " steps; at most " +
                 std::to_string(kMostSteps) + " can be computed.");
    }
    check_mask(builder, call.tensor("mask"), {batch, steps});
    Recurrence recurrence{.inputs = finished(builder, projected(builder, x)),
                          .steps = steps,
                          .initial = {},
                          .go_backwards = this->options_.go_backwards,
                          .return_sequences = this->options_.return_sequences,
                          .zero_output_for_mask = zero_output_for_mask_,
                          .flipped = call.flag(kFlipped),
                          .mask = call.tensor("mask")};
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      recurrence.initial.push_back(this->computable(builder, inputs[i]));
    }
    if (recurrence.initial.empty()) {
      recurrence.initial.assign(form_.states, constant(builder, {batch, units()}, 0));
    }
    Unrolled done = unroll(builder, recurrence, step(builder, batch));
    Ids outputs{done.output};
    if (this->options_.return_state) {
      outputs.insert(outputs.end(), done.states.begin(), done.states.end());
    }
    return outputs;
  }

  /// States have none.
  [[nodiscard]] Masks compute_mask(Builder&, const Ids&, const Masks& previous) override {
    return {this->options_.return_sequences ? previous.at(0) : std::nullopt};
  }

  /// Writes what all steps share, and gives what writes one.
  [[nodiscard]] virtual Step step(Builder& builder, std::int64_t batch) = 0;
  /// What is added to the products of all inputs, (gates * units); null: nothing.
  [[nodiscard]] virtual const VariablePtr& input_bias() const { return cell_->bias(); }
  /// These products (time * batch, gates * units) with what else they need.
  [[nodiscard]] virtual ValueId finished(Builder&, ValueId products) const { return products; }

  [[nodiscard]] std::int64_t units() const { return this->options_.units; }
  [[nodiscard]] const Cell& cell() const { return *cell_; }

  /// A variable of the cell as a value.
  [[nodiscard]] ValueId value_of(Builder& builder, const VariablePtr& variable) const {
    const ops::TensorSpec spec{variable->shape(), this->compute_dtype()};
    return builder.emit(ops::ParamValue{spec}, {}, {graph::Param::of(variable, spec.dtype)});
  }
  [[nodiscard]] ValueId constant(Builder& builder, const Shape& shape, double value) const {
    const ops::TensorSpec spec{shape, this->compute_dtype()};
    graph::Param param{{}, [spec, value] {
                         Tensor filled = Tensor::empty(spec.shape, DType::kFloat64);
                         std::ranges::fill(filled.template data<double>(), value);
                         return filled.cast(spec.dtype);
                       }};
    return builder.emit(ops::ParamValue{spec}, {}, {std::move(param)});
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
  static constexpr bool kGated = requires(const Options& options) { options.recurrent_activation; };

  /// Rates as Keras keeps them.
  static Options within_bounds(Options options) {
    for (double* rate : {&options.dropout, &options.recurrent_dropout}) {
      *rate = std::min(1.0, std::max(0.0, *rate));
    }
    return options;
  }

  void check_shapes(const Shapes& inputs) const {
    const auto refuse = [&](std::size_t i, const std::string& expected, const Shape& found) {
      throw ValueError("Input " + std::to_string(i) + " of layer \"" + this->name() +
                       "\" is incompatible with the layer: expected " + expected + ", found ndim=" +
                       std::to_string(found.rank()) + ". Full shape received: " + found.str());
    };
    const Shape& sequence = inputs.at(0);
    if (sequence.rank() != 3) refuse(0, "ndim=3", sequence);
    if (cell_->built() && sequence[2] != cell_->kernel()->shape()[0]) {
      refuse(0, "axis 2 to have the size " + std::to_string(cell_->kernel()->shape()[0]), sequence);
    }
    if (this->options_.unroll && sequence[1] == kNone) {
      this->fail(
          "Cannot unroll a RNN if the time dimension is undefined. \n"
          "- If using a Sequential model, specify the time dimension by passing an `Input()` as "
          "your first layer.\n"
          "- If using the functional API, specify the time dimension by passing a `shape` or "
          "`batch_shape` argument to your `Input()`.");
    }
    if (inputs.size() != 1 && inputs.size() != 1 + form_.states) {
      this->fail("takes " + std::to_string(form_.states) +
                 " initial states or none. Received: " + std::to_string(inputs.size() - 1));
    }
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      const bool fits =
          inputs[i].rank() == 2 && inputs[i][1] == units() &&
          (inputs[i][0] == sequence[0] || inputs[i][0] == kNone || sequence[0] == kNone);
      const Shape expected{sequence[0], units()};
      if (!fits) refuse(i, "an initial state of the shape " + expected.str(), inputs[i]);
    }
  }

  void check_mask(const Builder& builder, const std::optional<ValueId>& mask,
                  const Shape& expected) const {
    if (!mask || builder.shape(*mask) == expected) return;
    this->fail("A mask of the shape " + expected.str() +
               " (batch, time) is expected. Received: " + builder.shape(*mask).str());
  }

  /// Ones of which some are dropped, and what is kept of them scaled; nothing where all are kept.
  [[nodiscard]] std::optional<ValueId> dropped(Builder& builder, const Shape& shape,
                                               double rate) const {
    // A rate of 1 is none for what has gates, in Keras.
    if (!builder.training() || rate == 0 || (kGated && rate == 1)) return std::nullopt;
    return builder.dropout(constant(builder, shape, 1), rate);
  }

  /// (time, batch, features) -> (time * batch, gates * units).
  [[nodiscard]] ValueId projected(Builder& builder, ValueId x) const {
    const Shape shape = builder.shape(x);
    const DType dtype = this->compute_dtype();
    const std::int64_t rows = shape[0] * shape[1];
    const VariablePtr& bias = input_bias();
    const bool by_gate = kGated && this->options_.recurrent_dropout != 0;
    const auto masks =
        dropped(builder, {by_gate ? form_.gates : 1, shape[1], shape[2]}, this->options_.dropout);
    if (masks && by_gate) return projected_by_gate(builder, x, *masks);
    if (masks) x = builder.binary(ops::Binary::kMultiply, x, *masks);
    ops::Dense op;
    op.x = {{rows, shape[2]}, dtype};
    op.y = {{rows, form_.gates * units()}, dtype};
    op.bias = bias != nullptr;
    std::vector<graph::Param> params{graph::Param::of(cell_->kernel(), dtype)};
    if (op.bias) params.push_back(graph::Param::of(bias, dtype));
    return builder.emit(std::move(op), {builder.reshape(x, {rows, shape[2]})}, std::move(params));
  }
  [[nodiscard]] ValueId projected_by_gate(Builder& builder, ValueId x, ValueId masks) const {
    const Shape shape = builder.shape(x);
    const ValueId each = builder.reshape(masks, {form_.gates, 1, shape[1], shape[2]});
    x = builder.reshape(builder.binary(ops::Binary::kMultiply, each, x),
                        {form_.gates, shape[0] * shape[1], shape[2]});
    const ValueId kernel = kernel_by_gate(builder, value_of(builder, cell_->kernel()), form_.gates);
    const ValueId y = product_by_gate(builder, x, kernel);
    if (!input_bias()) return y;
    return builder.binary(ops::Binary::kAdd, y, value_of(builder, input_bias()));
  }

  const Form form_;
  bool zero_output_for_mask_;
  std::shared_ptr<Cell> cell_;
};

/// The options that all have, in Keras's order.
template <class Options>
void describe_recurrent(Config& config, Options& options) {
  config.required({"units"});
  config.boolean("return_sequences", options.return_sequences);
  config.boolean("return_state", options.return_state);
  config.boolean("go_backwards", options.go_backwards);
  config.boolean("stateful", options.stateful);
  config.boolean("unroll", options.unroll);
  config.boolean("zero_output_for_mask", options.zero_output_for_mask);
  config.integer("units", options.units);
  config.activation("activation", options.activation);
  config.boolean("use_bias", options.use_bias);
  config.weights(
      {{"kernel", options.kernel_initializer, options.kernel_regularizer,
        options.kernel_constraint},
       {"recurrent", options.recurrent_initializer, options.recurrent_regularizer,
        options.recurrent_constraint},
       {"bias", options.bias_initializer, options.bias_regularizer, options.bias_constraint}});
  config.number("dropout", options.dropout);
  config.number("recurrent_dropout", options.recurrent_dropout);
  config.names_activity_regularizer();
}

}  // namespace lamina::layers

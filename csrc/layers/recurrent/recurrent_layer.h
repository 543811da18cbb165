#pragma once
#include <lamina/error.h>

#include <memory>
#include <numeric>
#include <variant>

#include "layers/naming.h"
#include "layers/recurrent/build_within.h"
#include "layers/recurrent/cell.h"
#include "layers/recurrent/cell_options.h"
#include "layers/recurrent/recurrent.h"
#include "layers/recurrent/sequence_layer.h"

namespace lamina::layers {

/// RNN, SimpleRNN, LSTM and GRU but for whose the cell is.
template <class Options>
class RecurrentLayer : public SequenceLayer<Options>, public Recurrent {
 public:
  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    check_shapes(inputs);
    const Shapes states = state_shapes(cells_, without_axis(inputs[0], 1));
    const Shape& last = states.back();
    Shapes out{last};
    if (this->options_.return_sequences) {
      out[0] = {last[0], inputs[0][1]};
      for (std::size_t i = 1; i < last.rank(); ++i) out[0].push_back(last.dims()[i]);
    }
    if (this->options_.return_state) out.insert(out.end(), states.begin(), states.end());
    return out;
  }

  [[nodiscard]] Options current_options() const override {
    Options options = LibraryLayer<Options>::current_options();
    options.zero_output_for_mask = zero_output_for_mask_;
    return options;
  }

  [[nodiscard]] Way way() const override {
    return {this->options_.go_backwards, this->options_.return_sequences, this->options_.stateful,
            this->options_.return_state ? count_of_states() : 0};
  }
  [[nodiscard]] const std::vector<VariablePtr>& carried() const override { return carried_; }
  void set_zero_output_for_mask(bool zero) override { zero_output_for_mask_ = zero; }

 protected:
  RecurrentLayer(std::string class_name, Options options)
      : SequenceLayer<Options>(std::move(class_name), std::move(options)),
        zero_output_for_mask_(this->options_.zero_output_for_mask) {}
  /// For the constructor of a layer that makes its cell: Keras's show that one's activations as
  /// their own, and of the two paths files have the one that sorts first.
  template <class OwnCell>
  void hold_own(const std::shared_ptr<OwnCell>& cell) {
    for (const Attribute& activation : cell->attributes()) {
      this->track(activation.name, std::get<LayerPtr>(activation.value));
    }
    hold(cell, cell->cells());
  }
  /// For others'.
  void hold(const LayerPtr& cell, std::vector<Cell*> cells) {
    cell_ = this->track("cell", cell);
    cells_ = std::move(cells);
  }
  [[nodiscard]] const std::vector<Cell*>& cells() const noexcept { return cells_; }

  void on_build(const Shapes& inputs) override {
    check_shapes(inputs);
    if (this->options_.stateful && inputs[0][0] == kNone) {
      this->fail(
          "When using `stateful=True` in a RNN, the batch size must be static. Found dynamic batch "
          "size: sequence.shape=" +
          inputs[0].str());
    }
    build_within(*this, *cell_, {without_axis(inputs[0], 1)});
    if (this->options_.stateful) make_states(inputs[0]);
  }

  [[nodiscard]] Ids on_lower_call(Builder& builder, const Ids& inputs,
                                  const CallValues& call) override {
    const ValueId x = time_first(builder, this->computable(builder, inputs.at(0)));
    const std::int64_t steps = builder.shape(x)[0], batch = builder.shape(x)[1];
    check_batch(batch);
    if (steps == 0) this->fail("Received a sequence without steps.");
    if (steps > kMostSteps) {
      this->fail("Received a sequence of " + std::to_string(steps) + " steps; at most " +
                 std::to_string(kMostSteps) + " can be computed.");
    }
    check_mask(builder, call.tensor("mask"), {batch, steps});
    States initial(inputs.begin() + 1, inputs.end());
    if (initial.empty()) {
      for (const VariablePtr& state : carried_) initial.push_back(builder.state(state));
    }
    const Unrolled done = go_through(builder, cells_, x, initial,
                                     {.go_backwards = this->options_.go_backwards,
                                      .return_sequences = this->options_.return_sequences,
                                      .zero_output_for_mask = zero_output_for_mask_,
                                      .flipped = call.flag(kFlipped),
                                      .mask = call.tensor("mask")});
    Ids outputs{this->computable(builder, done.output)};
    if (!this->options_.return_state && carried_.empty()) return outputs;
    for (const ValueId state : done.states) outputs.push_back(this->computable(builder, state));
    for (std::size_t i = 0; i < carried_.size(); ++i) {
      builder.set_state(carried_[i], outputs.at(1 + i));
    }
    if (!this->options_.return_state) outputs.resize(1);
    return outputs;
  }

  /// States have none.
  [[nodiscard]] Masks compute_mask(Builder&, const Ids&, const Masks& previous) override {
    return {this->options_.return_sequences ? previous.at(0) : std::nullopt};
  }

 private:
  [[nodiscard]] std::size_t count_of_states() const {
    const std::vector<std::size_t> counts = state_counts(cells_);
    return std::accumulate(counts.begin(), counts.end(), std::size_t{0});
  }

  void make_states(const Shape& sequence) {
    std::vector<VariablePtr> states;
    for (const Shape& shape : state_shapes(cells_, without_axis(sequence, 1))) {
      states.push_back(std::make_shared<Variable>("rnn_state", shape, this->dtype_policy().variable,
                                                  Initializer("zeros").bind(), false));
      states.back()->set_path(this->name() + "/rnn_state");
    }
    carried_ = std::move(states);
  }

  /// That of the states.
  void check_batch(std::int64_t received) const {
    if (carried_.empty() || received == kNone) return;
    const std::int64_t expected = carried_.front()->shape()[0];
    if (received == expected) return;
    this->fail(
        "If an RNN is stateful, the batch size of the input sequences must be the same as the "
        "batch size of the initial state. \n- Expected batch size: " +
        std::to_string(expected) + "\n- Received batch size: " + std::to_string(received));
  }

  void check_shapes(const Shapes& inputs) const {
    const auto refuse = [&](std::size_t i, const std::string& expected, const Shape& found) {
      throw ValueError("Input " + std::to_string(i) + " of layer \"" + this->name() +
                       "\" is incompatible with the layer: expected " + expected + ", found ndim=" +
                       std::to_string(found.rank()) + ". Full shape received: " + found.str());
    };
    const Shape& sequence = inputs.at(0);
    const Shape expected = cells_.front()->expected_step();
    if (sequence.rank() != expected.rank() + 1) {
      refuse(0, "ndim=" + std::to_string(expected.rank() + 1), sequence);
    }
    for (std::int64_t i = 1; i < static_cast<std::int64_t>(expected.rank()); ++i) {
      if (expected[i] == kNone || sequence[i + 1] == expected[i]) continue;
      refuse(0,
             "axis " + std::to_string(i + 1) + " to have the size " + std::to_string(expected[i]),
             sequence);
    }
    check_batch(sequence[0]);
    if (this->options_.unroll && sequence[1] == kNone) {
      this->fail(
          "Cannot unroll a RNN if the time dimension is undefined. \n"
          "- If using a Sequential model, specify the time dimension by passing an `Input()` as "
          "your first layer.\n"
          "- If using the functional API, specify the time dimension by passing a `shape` or "
          "`batch_shape` argument to your `Input()`.");
    }
    if (inputs.size() == 1) return;
    const std::size_t count = count_of_states();
    if (inputs.size() != 1 + count) {
      this->fail("takes " + std::to_string(count) +
                 " initial states or none. Received: " + std::to_string(inputs.size() - 1));
    }
    const Shapes states = state_shapes(cells_, without_axis(sequence, 1));
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      const Shape& wanted = states[i - 1];
      if (inputs[i].rank() == wanted.rank() &&
          without_axis(inputs[i], 0) == without_axis(wanted, 0) &&
          (inputs[i][0] == wanted[0] || inputs[i][0] == kNone || wanted[0] == kNone)) {
        continue;
      }
      refuse(i, "an initial state of the shape " + wanted.str(), inputs[i]);
    }
  }

  void check_mask(const Builder& builder, const std::optional<ValueId>& mask,
                  const Shape& expected) const {
    if (!mask || builder.shape(*mask) == expected) return;
    this->fail("A mask of the shape " + expected.str() +
               " (batch, time) is expected. Received: " + builder.shape(*mask).str());
  }

  bool zero_output_for_mask_;
  LayerPtr cell_;
  std::vector<Cell*> cells_;
  std::vector<VariablePtr> carried_;  ///< of a stateful one, once it is built: no weights
};

/// A layer with the options of its cell, which it makes.
template <class Options, class OwnCell, class CellOptions>
class LayerOfCell final : public RecurrentLayer<Options> {
 public:
  LayerOfCell(const char* class_name, const char* cell_name, Options options)
      : RecurrentLayer<Options>(class_name, within_bounds(std::move(options))) {
    this->checked([&] { check_cell_options(this->options_); });
    CellOptions of_cell = cell_options<CellOptions>(this->options_);
    of_cell.name = cell_name;
    of_cell.dtype = this->dtype_policy().name;
    this->hold_own(std::make_shared<OwnCell>(std::move(of_cell)));
  }
};

/// What the layers have beside their cells' options.
template <class Options>
void describe_sequence(Config& config, Options& options) {
  config.boolean("return_sequences", options.return_sequences);
  config.boolean("return_state", options.return_state);
  config.boolean("go_backwards", options.go_backwards);
  config.boolean("stateful", options.stateful);
  config.boolean("unroll", options.unroll);
  config.boolean("zero_output_for_mask", options.zero_output_for_mask);
}
template <class Options>
void describe_recurrent(Config& config, Options& options) {
  describe_sequence(config, options);
  describe_cell(config, options);
  config.names_activity_regularizer();
}

}  // namespace lamina::layers

#pragma once
#include <lamina/error.h>

#include <memory>
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
    const std::int64_t batch = inputs[0][0];
    Shapes out{{batch, units()}};
    if (this->options_.return_sequences) out[0] = {batch, inputs[0][1], units()};
    if (!this->options_.return_state) return out;
    for (const std::int64_t size : state_sizes(cells_)) out.push_back({batch, size});
    return out;
  }

  [[nodiscard]] Options current_options() const override {
    Options options = LibraryLayer<Options>::current_options();
    options.zero_output_for_mask = zero_output_for_mask_;
    return options;
  }

  [[nodiscard]] Way way() const override {
    return {this->options_.go_backwards, this->options_.return_sequences,
            this->options_.return_state ? state_sizes(cells_).size() : 0};
  }
  void set_zero_output_for_mask(bool zero) override { zero_output_for_mask_ = zero; }

 protected:
  RecurrentLayer(std::string class_name, Options options)
      : SequenceLayer<Options>(std::move(class_name), std::move(options)),
        zero_output_for_mask_(this->options_.zero_output_for_mask) {
    if (this->options_.stateful) {
      throw UnsupportedError(
          in_words(*this).append(": the option 'stateful' has a value that is not supported: true. "
                                 "States are not kept from one batch to the next."));
    }
  }
  /// For the constructor.
  void hold(const LayerPtr& cell, std::vector<Cell*> cells) {
    cell_ = this->track("cell", cell);
    cells_ = std::move(cells);
  }
  [[nodiscard]] const std::vector<Cell*>& cells() const noexcept { return cells_; }

  void on_build(const Shapes& inputs) override {
    check_shapes(inputs);
    build_within(*this, *cell_, {{inputs[0][0], inputs[0][2]}});
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
    const Unrolled done = go_through(builder, cells_, x, States(inputs.begin() + 1, inputs.end()),
                                     {.go_backwards = this->options_.go_backwards,
                                      .return_sequences = this->options_.return_sequences,
                                      .zero_output_for_mask = zero_output_for_mask_,
                                      .flipped = call.flag(kFlipped),
                                      .mask = call.tensor("mask")});
    Ids outputs{this->computable(builder, done.output)};
    if (!this->options_.return_state) return outputs;
    for (const ValueId state : done.states) outputs.push_back(this->computable(builder, state));
    return outputs;
  }

  /// States have none.
  [[nodiscard]] Masks compute_mask(Builder&, const Ids&, const Masks& previous) override {
    return {this->options_.return_sequences ? previous.at(0) : std::nullopt};
  }

 private:
  [[nodiscard]] std::int64_t units() const { return cells_.back()->units(); }

  void check_shapes(const Shapes& inputs) const {
    const auto refuse = [&](std::size_t i, const std::string& expected, const Shape& found) {
      throw ValueError("Input " + std::to_string(i) + " of layer \"" + this->name() +
                       "\" is incompatible with the layer: expected " + expected + ", found ndim=" +
                       std::to_string(found.rank()) + ". Full shape received: " + found.str());
    };
    const Shape& sequence = inputs.at(0);
    if (sequence.rank() != 3) refuse(0, "ndim=3", sequence);
    const std::int64_t features = cells_.front()->features();
    if (features != kNone && sequence[2] != features) {
      refuse(0, "axis 2 to have the size " + std::to_string(features), sequence);
    }
    if (this->options_.unroll && sequence[1] == kNone) {
      this->fail(
          "Cannot unroll a RNN if the time dimension is undefined. \n"
          "- If using a Sequential model, specify the time dimension by passing an `Input()` as "
          "your first layer.\n"
          "- If using the functional API, specify the time dimension by passing a `shape` or "
          "`batch_shape` argument to your `Input()`.");
    }
    const std::vector<std::int64_t> sizes = state_sizes(cells_);
    if (inputs.size() != 1 && inputs.size() != 1 + sizes.size()) {
      this->fail("takes " + std::to_string(sizes.size()) +
                 " initial states or none. Received: " + std::to_string(inputs.size() - 1));
    }
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      const bool fits =
          inputs[i].rank() == 2 && inputs[i][1] == sizes[i - 1] &&
          (inputs[i][0] == sequence[0] || inputs[i][0] == kNone || sequence[0] == kNone);
      const Shape expected{sequence[0], sizes[i - 1]};
      if (!fits) refuse(i, "an initial state of the shape " + expected.str(), inputs[i]);
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
};

/// A layer with the options of its cell, which it makes.
template <class Options, class CellLayer, class CellOptions>
class LayerOfCell final : public RecurrentLayer<Options> {
 public:
  LayerOfCell(const char* class_name, const char* cell_name, Options options)
      : RecurrentLayer<Options>(class_name, within_bounds(std::move(options))) {
    this->checked([&] { check_cell_options(this->options_); });
    CellOptions of_cell = cell_options<CellOptions>(this->options_);
    of_cell.name = cell_name;
    of_cell.dtype = this->dtype_policy().name;
    const auto cell = std::make_shared<CellLayer>(std::move(of_cell));
    // Keras's layers show them as their own: of the two paths files have the one that sorts first.
    for (const Attribute& activation : cell->attributes()) {
      this->track(activation.name, std::get<LayerPtr>(activation.value));
    }
    this->hold(cell, cell->cells());
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

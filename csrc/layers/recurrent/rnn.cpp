// RNN, and the cells that it takes on top of each other.
#include "layers/access.h"
#include "layers/recurrent/recurrent_layer.h"

namespace lamina::layers {
namespace {

class StackedRNNCellsLayer final : public LibraryLayer<StackedRNNCellsOptions>, public Cells {
 public:
  explicit StackedRNNCellsLayer(StackedRNNCellsOptions options)
      : LibraryLayer("StackedRNNCells", std::move(options)) {
    if (options_.cells.empty()) fail("takes one cell at least.");
    AttributeList list;
    for (const LayerPtr& layer : options_.cells) {
      auto* cell = dynamic_cast<Cell*>(layer.get());
      if (cell == nullptr) {
        fail(
            "All cells must have a `state_size` attribute. Received cell without a `state_size`: " +
            (layer ? layer->repr() : "None"));
      }
      if (layer->dtype_policy().compute != options_.cells[0]->dtype_policy().compute) {
        throw UnsupportedError(in_words(*this)
                                   .append(": ")
                                   .append(in_words(*layer))
                                   .append(" computes in another dtype than the first cell."));
      }
      cells_.push_back(cell);
      list.items.push_back({{}, layer});
    }
    track("cells", std::move(list));
    input_spec_.count = std::nullopt;  // states are inputs too
  }

  [[nodiscard]] std::vector<Cell*> cells() override { return cells_; }
  [[nodiscard]] CallSignature call_signature() const override {
    return {.inputs = {"inputs", "states"},
            .required = 2,
            .ends_in_list = true,
            .parts = state_counts(cells_)};
  }
  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    Shapes out = state_shapes(cells_, inputs[0]);
    if (inputs.size() != 1 + out.size()) {
      fail("takes " + std::to_string(out.size()) +
           " states. Received: " + std::to_string(inputs.size() - 1));
    }
    out.insert(out.begin(), out.back());
    return out;
  }

 protected:
  void on_build(const Shapes& inputs) override {
    Shape step = inputs.at(0);
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      build_within(*this, *options_.cells[i], {step});
      step = cells_[i]->state_shape(step);
    }
  }

  /// One step by itself: each cell's first output is what the next one reads.
  [[nodiscard]] Ids on_lower_call(Builder& builder, const Ids& inputs, const CallValues&) override {
    Ids all{inputs.at(0)};
    auto state = inputs.begin() + 1;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      Ids given{all[0]};
      for (std::size_t k = 0; k < cells_[i]->states(); ++k) given.push_back(*state++);
      const Ids outputs = Access::lower(*options_.cells[i], builder, given);
      all[0] = outputs.at(0);
      all.insert(all.end(), outputs.begin() + 1, outputs.end());
    }
    for (ValueId& output : all) output = computable(builder, output);
    return all;
  }

 private:
  std::vector<Cell*> cells_;
};

class RNNLayer final : public RecurrentLayer<RNNOptions> {
 public:
  explicit RNNLayer(RNNOptions options) : RecurrentLayer("RNN", std::move(options)) {
    const LayerPtr& cell = options_.cell.layer;
    if (!cell) fail("Argument `cell` should have a `call` method. Received: cell=None");
    auto* cells = dynamic_cast<Cells*>(cell.get());
    if (cells == nullptr) {
      fail(
          "The RNN cell should have a `state_size` attribute (single integer or list of integers, "
          "one integer per RNN state). Received: cell=" +
          cell->repr());
    }
    refuse_activity(*cell);
    for (const LayerPtr& held : cell->sublayers()) refuse_activity(*held);
    stacked_ = dynamic_cast<Cell*>(cell.get()) == nullptr;
    hold(cell, cells->cells());
  }

  [[nodiscard]] CallSignature call_signature() const override {
    CallSignature signature = RecurrentLayer::call_signature();
    if (stacked_) signature.parts = state_counts(cells());
    return signature;
  }

 private:
  void refuse_activity(const Layer& cell) const {
    if (!cell.activity_regularizer()) return;
    throw UnsupportedError(in_words(*this)
                               .append(": the activity_regularizer of ")
                               .append(in_words(cell))
                               .append(" is not supported, but that of the layer is."));
  }

  bool stacked_ = false;
};

}  // namespace

RNNOptions::Cell::Cell(std::vector<LayerRef> cells) {
  std::vector<LayerPtr> all(cells.begin(), cells.end());
  layer = StackedRNNCells({.cells = std::move(all)});
}

LayerRef RNN(RNNOptions options) {
  return make_layer<RNNLayer>(std::move(options));
}

LayerRef StackedRNNCells(StackedRNNCellsOptions options) {
  return make_layer<StackedRNNCellsLayer>(std::move(options));
}

void describe(Config& config, RNNOptions& options) {
  config.layer("cell", options.cell.layer, false);
  describe_sequence(config, options);
}

void describe(Config& config, StackedRNNCellsOptions& options) {
  config.layers("cells", options.cells);
}

}  // namespace lamina::layers

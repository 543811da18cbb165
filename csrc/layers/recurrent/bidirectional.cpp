#include <lamina/error.h>

#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "layers/access.h"
#include "layers/config/registered_layers.h"
#include "layers/config/registry.h"
#include "layers/naming.h"
#include "layers/recurrent/build_within.h"
#include "layers/recurrent/recurrent.h"
#include "layers/recurrent/sequence_layer.h"

namespace lamina::layers {
namespace {

const char* text(bool value) {
  return value ? "True" : "False";
}

class BidirectionalLayer final : public SequenceLayer<BidirectionalOptions> {
 public:
  explicit BidirectionalLayer(BidirectionalOptions options)
      : SequenceLayer("Bidirectional", std::move(options)) {
    if (!options_.layer) {
      fail(
          "Please initialize `Bidirectional` layer with a `keras.layers.Layer` instance. Received: "
          "None");
    }
    check_merge_mode();
    (void)recurrent(*options_.layer);
    const std::string& name = options_.layer->name();
    forward_ = track("forward_layer", twin("forward_", name, std::nullopt));
    backward_ = track("backward_layer", options_.backward_layer ? options_.backward_layer
                                                                : twin("backward_", name, true));
    check_ways();
    for (const LayerPtr& layer : {forward_, backward_}) {
      recurrent(*layer).set_zero_output_for_mask(way().return_sequences);
    }
  }

  [[nodiscard]] BidirectionalOptions current_options() const override {
    BidirectionalOptions options = LibraryLayer::current_options();
    options.layer = forward_;
    options.backward_layer = backward_;
    return options;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    const Halves<Shape> halves(inputs, *this);
    const Shapes there = forward_->compute_output_shape(halves.there),
                 back = backward_->compute_output_shape(halves.back);
    if (options_.merge_mode != "concat" && there[0] != back[0]) {
      fail("The outputs of the forward and the backward layer should have one shape. Received: " +
           there[0].str() + " and " + back[0].str());
    }
    Shape merged = there[0];
    if (options_.merge_mode == "concat") merged[-1] += back[0][-1];
    Shapes out{merged};
    if (options_.merge_mode.empty()) out.push_back(back[0]);
    out.insert(out.end(), there.begin() + 1, there.end());
    out.insert(out.end(), back.begin() + 1, back.end());
    return out;
  }

  [[nodiscard]] CallSignature call_signature() const override {
    CallSignature signature = SequenceLayer::call_signature();
    for (const LayerPtr& layer : {forward_, backward_}) {
      const std::vector<std::size_t> parts = layer->call_signature().parts;
      signature.parts.insert(signature.parts.end(), parts.begin(), parts.end());
    }
    return signature;
  }

  /// States are of the layers' own.
  [[nodiscard]] std::vector<DType> compute_output_dtype(const std::vector<DType>&) override {
    std::vector<DType> out(options_.merge_mode.empty() ? 2 : 1, compute_dtype());
    for (const LayerPtr& layer : {forward_, backward_}) {
      out.resize(out.size() + recurrent(*layer).way().returned_states,
                 layer->dtype_policy().compute);
    }
    return out;
  }

 protected:
  void on_build(const Shapes& inputs) override {
    const Halves<Shape> halves(inputs, *this);
    build_within(*this, *forward_, halves.there);
    build_within(*this, *backward_, halves.back);
  }

  [[nodiscard]] Ids on_lower_call(Builder& builder, const Ids& inputs,
                                  const CallValues& call) override {
    const Halves<ValueId> halves(inputs, *this);
    const std::optional<ValueId> mask = call.tensor("mask");
    const Ids there = lowered(builder, *forward_, halves.there, mask, {});
    const Ids back = lowered(builder, *backward_, halves.back, mask, {Recurrent::kFlipped});
    Ids out = merged(builder, builder.cast(there[0], compute_dtype()),
                     builder.cast(back[0], compute_dtype()));
    out.insert(out.end(), there.begin() + 1, there.end());
    out.insert(out.end(), back.begin() + 1, back.end());
    return out;
  }

  /// States have none.
  [[nodiscard]] Masks compute_mask(Builder&, const Ids&, const Masks& previous) override {
    if (!way().return_sequences) return {};
    return Masks(options_.merge_mode.empty() ? 2 : 1, previous.at(0));
  }

 private:
  /// The inputs of either layer: the sequence, and half of the initial states.
  template <class T>
  struct Halves {
    std::vector<T> there, back;
    Halves(const std::vector<T>& inputs, const BidirectionalLayer& layer)
        : there{inputs.at(0)}, back{inputs[0]} {
      if (inputs.size() % 2 == 0) {
        layer.fail("takes as many initial states for either direction. Received: " +
                   std::to_string(inputs.size() - 1));
      }
      const auto middle = inputs.begin() + 1 + static_cast<std::ptrdiff_t>(inputs.size() / 2);
      there.insert(there.end(), inputs.begin() + 1, middle);
      back.insert(back.end(), middle, inputs.end());
    }
  };

  void check_merge_mode() const {
    constexpr std::array kModes{"sum", "mul", "ave", "concat", ""};
    for (const char* mode : kModes) {
      if (options_.merge_mode == mode) return;
    }
    fail("Invalid merge mode. Received: " + options_.merge_mode +
         ". Merge mode should be one of {\"sum\", \"mul\", \"ave\", \"concat\", None}");
  }

  [[nodiscard]] Recurrent& recurrent(Layer& layer) const {
    if (auto* found = dynamic_cast<Recurrent*>(&layer)) return *found;
    throw UnsupportedError(
        in_words(*this)
            .append(": ")
            .append(in_words(layer))
            .append(" is none of those that are supported: RNN, SimpleRNN, LSTM, GRU, "
                    "ConvLSTM1D, ConvLSTM2D and ConvLSTM3D."));
  }
  [[nodiscard]] Recurrent::Way way() const { return recurrent(*forward_).way(); }

  /// As Keras makes them: from the configuration, under a name with the prefix.
  [[nodiscard]] LayerPtr twin(const std::string& prefix, const std::string& name,
                              std::optional<bool> go_backwards) const {
    nlohmann::json config = layer_to_config(*options_.layer);
    config["name"] = name.starts_with(prefix) ? name : prefix + name;
    if (go_backwards) config["go_backwards"] = *go_backwards;
    return layer_from_config(options_.layer->class_name(), config);
  }

  void check_ways() const {
    const Recurrent::Way there = way(), back = recurrent(*backward_).way();
    if (there.go_backwards == back.go_backwards) {
      fail(std::string("Forward layer and backward layer should have different `go_backwards` "
                       "value. Received: forward_layer.go_backwards ")
               .append(text(there.go_backwards))
               .append(", backward_layer.go_backwards=")
               .append(text(back.go_backwards)));
    }
    require_equal("stateful", there.stateful, back.stateful);
    require_equal("return_sequences", there.return_sequences, back.return_sequences);
    require_equal("return_state", there.returned_states > 0, back.returned_states > 0);
  }
  void require_equal(const char* attribute, bool there, bool back) const {
    if (there == back) return;
    fail(std::string("Forward layer and backward layer are expected to have the same value for "
                     "attribute \"")
             .append(attribute)
             .append("\", got \"")
             .append(text(there))
             .append("\" for forward layer and \"")
             .append(text(back))
             .append("\" for backward layer"));
  }

  [[nodiscard]] static Ids lowered(Builder& builder, Layer& layer, Ids inputs,
                                   const std::optional<ValueId>& mask,
                                   std::set<std::string> flags) {
    CallForm form{{}, std::move(flags)};
    if (mask) {
      inputs.push_back(*mask);
      form.keywords.emplace_back("mask");
    }
    return Access::lower(layer, builder, inputs, form);
  }

  [[nodiscard]] Ids merged(Builder& builder, ValueId there, ValueId back) const {
    const std::string& mode = options_.merge_mode;
    if (mode.empty()) return {there, back};
    if (mode == "mul") return {builder.binary(ops::Binary::kMultiply, there, back)};
    if (mode == "concat") {
      ops::Concat op;
      op.xs = {builder.spec(there), builder.spec(back)};
      op.y = op.xs[0];
      op.axis = op.y.shape.rank() - 1;
      op.y.shape[-1] += op.xs[1].shape[-1];
      return {builder.emit(std::move(op), {there, back})};
    }
    const ValueId sum = builder.binary(ops::Binary::kAdd, there, back);
    if (mode == "sum") return {sum};
    return {builder.activation(sum, {ops::Unary::kScaleShift, 0.5, 0})};
  }

  LayerPtr forward_, backward_;
};

}  // namespace

LayerRef Bidirectional(BidirectionalOptions options) {
  return make_layer<BidirectionalLayer>(std::move(options));
}

void describe(Config& config, BidirectionalOptions& options) {
  config.required({"layer"});
  config.optional_string("merge_mode", options.merge_mode);
  config.layer("layer", options.layer, false);
  config.layer("backward_layer", options.backward_layer, true);
}

}  // namespace lamina::layers

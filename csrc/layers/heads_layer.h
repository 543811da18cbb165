#pragma once
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "layers/access.h"
#include "layers/attention_mask.h"
#include "layers/attention_scores.h"
#include "layers/axes.h"
#include "layers/library_layer.h"

namespace lamina::layers {

/// What layers of attention by heads have in common: projections, masks of scores (batch, heads,
/// targets, sources), and what these weigh.
template <class Options>
class HeadsLayer : public LibraryLayer<Options>, public ReturnsScores {
 public:
  [[nodiscard]] bool supports_masking() const override { return true; }

 protected:
  using LibraryLayer<Options>::LibraryLayer;

  void require_positive(const char* option, std::int64_t value) const {
    if (value > 0) return;
    this->fail(std::string("Received an invalid value for argument `")
                   .append(option)
                   .append("`, expected a positive integer. Received: ")
                   .append(option)
                   .append("=")
                   .append(std::to_string(value)));
  }
  /// As far as they are known.
  void require_one_batch(const Shapes& inputs) const {
    const Shape& value = inputs.at(1);
    for (const Shape& input : inputs) {
      if (input[0] == kNone || value[0] == kNone || input[0] == value[0]) continue;
      this->fail("Cannot attend between batches of different sizes. Received tensors with shapes " +
                 input.str() + " and " + value.str() + ".");
    }
  }
  void require_key_of_value(const Shape& value, const Shape& key) const {
    for (std::size_t i = 1; i + 1 < value.rank(); ++i) {
      if (value.dims()[i] == key.dims()[i]) continue;
      this->fail(
          "All dimensions of `value` and `key`, except the last one, must be equal. Received: "
          "value_shape=" +
          value.str() + " and key_shape=" + key.str());
    }
  }

  /// An EinsumDense, built for `input`, with the options that all of them share.
  [[nodiscard]] LayerPtr project(const char* attribute, const char* sublayer, std::string equation,
                                 Shape output, const std::string& bias_axes, const Shape& input,
                                 const Regularizer& activity, ActivationFunction activation = {}) {
    const Options& options = this->options_;
    const LayerRef dense =
        layers::EinsumDense({.equation = std::move(equation),
                             .output_shape = std::move(output),
                             .activation = std::move(activation),
                             .bias_axes = options.use_bias ? bias_axes : std::string(),
                             .kernel_initializer = options.kernel_initializer,
                             .bias_initializer = options.bias_initializer,
                             .kernel_regularizer = options.kernel_regularizer,
                             .bias_regularizer = options.bias_regularizer,
                             .activity_regularizer = activity,
                             .kernel_constraint = options.kernel_constraint,
                             .bias_constraint = options.bias_constraint,
                             .name = sublayer,
                             .dtype = this->dtype_policy().name});
    dense->build({input});
    for (const VariablePtr& variable : dense->own_variables()) {
      variable->set_path(this->name() + "/" + variable->path());
    }
    return this->track(attribute, dense);
  }
  void make_softmax_and_dropout() {
    const std::string policy = this->dtype_policy().name;
    (void)this->track("_softmax", layers::Softmax({.axis = -1, .dtype = policy}));
    dropout_ = this->track("_dropout_layer",
                           layers::Dropout({.rate = this->options_.dropout, .dtype = policy}));
  }

  [[nodiscard]] static ValueId lowered(Builder& builder, const LayerPtr& layer, ValueId x) {
    return Access::lower(*layer, builder, {x}).at(0);
  }
  /// (batch, places..., heads, features) -> (batch, heads, places, features).
  [[nodiscard]] static ValueId heads_first(Builder& builder, ValueId x) {
    const Shape shape = builder.shape(x);
    std::int64_t places = 1;
    for (std::size_t i = 1; i + 2 < shape.rank(); ++i) places *= shape.dims()[i];
    x = builder.reshape(x, {shape[0], places, shape[-2], shape[-1]});
    return builder.transpose(x, {0, 2, 1, 3});
  }

  /// A mask of an input (batch, places) as one of scores, whose axis `axis` these places are.
  void add_mask(Builder& builder, Ids& masks, const std::optional<ValueId>& mask,
                std::size_t axis) const {
    if (!mask) return;
    const Shape shape = builder.shape(*mask);
    if (shape.rank() != 2) {
      this->fail("Its inputs' masks have two axes. Received: " + shape.str());
    }
    Shape of_scores{shape[0], 1, 1, 1};
    of_scores[static_cast<std::int64_t>(axis)] = shape[1];
    masks.push_back(builder.reshape(*mask, std::move(of_scores)));
  }
  /// The argument `attention_mask`.
  static void add_attention_mask(Builder& builder, Ids& masks, const CallValues& call) {
    const std::optional<ValueId> mask = call.tensor("attention_mask");
    if (!mask) return;
    std::vector<std::int64_t> dims = builder.shape(*mask).dims();
    while (dims.size() < 3) dims.insert(dims.begin(), 1);
    if (dims.size() == 3) dims.insert(dims.begin() + 1, 1);
    masks.push_back(builder.reshape(*mask, Shape(std::move(dims))));
  }

  /// How much each target attends to each source.
  struct Weights {
    ValueId whole;    ///< what a call returns as its scores
    ValueId dropped;  ///< what dropout leaves of that, which weighs the values
  };
  /// By products of queries and keys, which are wide.
  [[nodiscard]] Weights attention_weights(Builder& builder, ValueId scores, const Reach& reach,
                                          const Ids& masks, bool returned) const {
    require_fit(builder, scores, reach, masks);
    const bool by_layer = returned || this->options_.dropout > 0;
    const MaskedScores masked =
        masked_scores(builder, scores, reach, masks, {.replaces = !by_layer});
    const ops::TensorSpec spec = builder.spec(masked.scores);
    ValueId weights = builder.emit(ops::Softmax{spec, spec, {3}, false}, {masked.scores});
    // Keras's Softmax, by which scores go where they are dropped or returned, gives what is masked
    // nothing even where everything is.
    if (by_layer && masked.seen) {
      weights = builder.binary(ops::Binary::kKeep, weights, *masked.seen);
    }
    weights = builder.cast(weights, this->compute_dtype());
    return {weights, lowered(builder, dropout_, weights)};
  }

 private:
  void require_fit(const Builder& builder, ValueId scores, const Reach& reach,
                   const Ids& masks) const {
    const Shape& shape = builder.shape(scores);
    const std::int64_t targets = shape[2], sources = shape[3];
    if (reach.window && targets >= sources + *reach.window) {
      this->unsupported("`sliding_window` leaves the last of " + std::to_string(targets) +
                        " targets none of " + std::to_string(sources) +
                        " sources, which is not supported.");
    }
    for (const ValueId mask : masks) {
      const Shape& dims = builder.shape(mask);
      bool fits = dims.rank() == shape.rank();
      for (std::size_t i = 0; fits && i < shape.rank(); ++i) {
        fits = dims.dims()[i] == 1 || dims.dims()[i] == shape.dims()[i];
      }
      if (fits) continue;
      this->fail("A mask of the shape " + dims.str() +
                 " does not broadcast to scores of the shape " + shape.str() +
                 " (batch, heads, targets, sources).");
    }
  }

  LayerPtr dropout_;
};

}  // namespace lamina::layers

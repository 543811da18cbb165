#include <cmath>
#include <numeric>

#include "layers/config/registered_layers.h"
#include "layers/heads_layer.h"

namespace lamina::layers {
namespace {

/// Letters from `first` on.
std::string letters(char first, std::size_t count) {
  std::string out(count, first);
  std::iota(out.begin(), out.end(), first);
  return out;
}

class MultiHeadAttentionLayer final : public HeadsLayer<MultiHeadAttentionOptions> {
 public:
  explicit MultiHeadAttentionLayer(MultiHeadAttentionOptions options)
      : HeadsLayer("MultiHeadAttention", std::move(options)) {
    require_positive("num_heads", options_.num_heads);
    require_positive("key_dim", options_.key_dim);
    if (options_.value_dim) require_positive("value_dim", *options_.value_dim);
    if (options_.sliding_window) require_positive("sliding_window", *options_.sliding_window);
    input_spec_.count = std::nullopt;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    check_shapes(inputs);
    Shape out = inputs[0];
    const Shape features = output_features(out);
    out = Shape(std::vector<std::int64_t>(out.begin(), out.end() - 1));
    for (const std::int64_t dim : features) out.push_back(dim);
    return {out};
  }

  [[nodiscard]] Shape scores_shape(const Shapes& inputs) const override {
    return scores_between(inputs[0], inputs.back());
  }

  [[nodiscard]] MultiHeadAttentionOptions current_options() const override {
    MultiHeadAttentionOptions options = HeadsLayer::current_options();
    if (query_) options.activity_regularizer = query_->activity_regularizer();
    return options;
  }

  [[nodiscard]] CallSignature call_signature() const override {
    return {.inputs = {"query", "value", "key"},
            .required = 2,
            .tensors = {"query_mask", "value_mask", "key_mask", "attention_mask"},
            .flags = {"use_causal_mask", kReturnScores},
            .always = options_.use_causal_mask ? std::vector<std::string>{"use_causal_mask"}
                                               : std::vector<std::string>{}};
  }

 protected:
  // Sublayers are made here, in Keras's order, since their names count from when they are made.
  void on_build(const Shapes& inputs) override {
    check_shapes(inputs);
    check_axes(inputs[0].rank());
    const Shape &query = inputs[0], &value = inputs[1], &key = inputs.back();
    const Regularizer activity = activity_regularizer();
    set_activity_regularizer({});  // it is of the sublayers
    const std::int64_t heads = options_.num_heads;
    query_ = to_heads("_query_dense", "query", query, options_.key_dim, activity);
    key_ = to_heads("_key_dense", "key", key, options_.key_dim, activity);
    if (options_.use_gate) {
      gate_ = to_heads("_gate_dense", "gate", query, value_dim(), activity, "sigmoid");
    }
    value_ = to_heads("_value_dense", "value", value, value_dim(), activity);
    make_softmax_and_dropout();
    Shape given(std::vector<std::int64_t>(query.begin(), query.end() - 1));
    given.push_back(heads);
    given.push_back(value_dim());
    output_ = from_heads(given, output_features(query), activity);
    // Keras's walk reaches them by these properties first, and names what it saves by them.
    track("query_dense", query_);
    track("key_dense", key_);
    track("value_dense", value_);
    track("output_dense", output_);
  }

  [[nodiscard]] Ids on_lower_call(Builder& builder, const Ids& inputs,
                                  const CallValues& call) override {
    const ValueId query = inputs.at(0);
    const Reach reach{options_.use_causal_mask || call.flag("use_causal_mask"),
                      options_.sliding_window};
    const Ids masks = taken_masks(builder, inputs, call);
    require_three_axes(builder.shape(query).rank(), reach, masks);
    const ValueId q = heads_first(builder, lowered(builder, query_, query));
    const ValueId k = heads_first(builder, lowered(builder, key_, inputs.back()));
    const ValueId v = heads_first(builder, lowered(builder, value_, inputs.at(1)));
    ops::MatMul product;
    product.transpose_x1 = true;
    product.scale = 1 / std::sqrt(static_cast<double>(options_.key_dim));
    const ValueId scores =
        builder.matmul(q, k, std::move(product), statistics_dtype(compute_dtype()));
    const bool returned = call.flag(kReturnScores);
    const Weights weights = attention_weights(builder, scores, reach, masks, returned);
    const ValueId attended = builder.matmul(weights.dropped, v, {}, compute_dtype());
    ValueId y = builder.transpose(attended, {0, 2, 1, 3});
    Shape spread(
        std::vector<std::int64_t>(builder.shape(query).begin(), builder.shape(query).end() - 1));
    spread.push_back(options_.num_heads);
    spread.push_back(value_dim());
    y = builder.reshape(y, std::move(spread));
    if (gate_) y = builder.binary(ops::Binary::kMultiply, y, lowered(builder, gate_, query));
    y = lowered(builder, output_, y);
    if (!returned) return {y};
    Shape spread_scores = scores_between(builder.shape(query), builder.shape(inputs.back()));
    return {y, builder.reshape(weights.whole, std::move(spread_scores))};
  }

 private:
  /// (batch, heads, targets..., sources...): of as many axes each as the inputs have.
  [[nodiscard]] Shape scores_between(const Shape& query, const Shape& key) const {
    Shape shape{query[0], options_.num_heads};
    for (const Shape& places : {query, key}) {
      for (std::size_t i = 1; i + 1 < places.rank(); ++i) shape.push_back(places.dims()[i]);
    }
    return shape;
  }
  [[nodiscard]] std::int64_t value_dim() const {
    return options_.value_dim.value_or(options_.key_dim);
  }
  [[nodiscard]] Shape output_features(const Shape& query) const {
    const auto& given = options_.output_shape.value;
    return given && given->rank() > 0 ? *given : Shape{query[-1]};
  }

  void check_shapes(const Shapes& inputs) const {
    if (inputs.size() != 2 && inputs.size() != 3) {
      fail("should be called on a query, a value and, if that is not the value, a key. Received " +
           std::to_string(inputs.size()) + " inputs.");
    }
    for (const Shape& input : inputs) {
      if (input.rank() < 3 || input.rank() != inputs[0].rank()) {
        unsupported(
            "Inputs that do not all have as many axes, three at least, are not supported. "
            "Received the shapes " +
            inputs[0].str() + " and " + input.str() + ".");
      }
    }
    require_one_batch(inputs);
    require_key_of_value(inputs[1], inputs.back());
  }
  /// The axes that are attended to are all between batch and features.
  void check_axes(std::size_t rank) const {
    const auto axes = static_cast<std::int64_t>(rank);
    std::vector<std::int64_t> all(rank - 2), given = options_.attention_axes.values;
    std::iota(all.begin(), all.end(), 1);
    for (std::int64_t& axis : given) axis += axis < 0 ? axes : 0;
    if (!given.empty() && given != all) {
      unsupported("`attention_axes` other than all between batch and features are not supported.");
    }
    require_three_axes(rank, {options_.use_causal_mask, options_.sliding_window});
  }

  void require_three_axes(std::size_t rank, const Reach& reach, const Ids& masks = {}) const {
    if (rank == 3 || (!reach.limited() && masks.empty())) return;
    unsupported("`use_causal_mask`, `sliding_window` and masks are not supported for inputs of " +
                std::to_string(rank) + " axes.");
  }

  /// "abc,cde->abde": the features of the last axis become those of each head.
  [[nodiscard]] LayerPtr to_heads(const char* attribute, const char* sublayer, const Shape& input,
                                  std::int64_t size, const Regularizer& activity,
                                  ActivationFunction activation = {}) {
    const std::size_t free = input.rank() - 1;
    const std::string front = letters('a', free), bound = letters(static_cast<char>('a' + free), 1),
                      heads = letters(static_cast<char>('b' + free), 2);
    Shape output(std::vector<std::int64_t>(free - 1, kNone));
    output.push_back(options_.num_heads);
    output.push_back(size);
    return project(attribute, sublayer, front + bound + "," + bound + heads + "->" + front + heads,
                   std::move(output), heads, input, activity, std::move(activation));
  }
  /// "abcd,cde->abe": heads and their features together become the output's.
  [[nodiscard]] LayerPtr from_heads(const Shape& input, const Shape& features,
                                    const Regularizer& activity) {
    const std::size_t free = input.rank() - 2;
    const std::string front = letters('a', free), bound = letters(static_cast<char>('a' + free), 2),
                      back = letters(static_cast<char>('c' + free), features.rank());
    Shape output(std::vector<std::int64_t>(free - 1, kNone));
    for (const std::int64_t dim : features) output.push_back(dim);
    return project("_output_dense", "attention_output",
                   front + bound + "," + bound + back + "->" + front + back, std::move(output),
                   back, input, activity);
  }

  /// The masks of the inputs, which lose them, and the one that the call is given; each as of
  /// scores. Keras takes the query's from the query alone, whatever `query_mask` is.
  [[nodiscard]] Ids taken_masks(Builder& builder, const Ids& inputs, const CallValues& call) const {
    Ids masks;
    add_mask(builder, masks, builder.mask(inputs.at(0)), 2);
    add_mask(builder, masks, call.tensor("value_mask"), 3);
    add_mask(builder, masks, call.tensor("key_mask"), 3);
    add_attention_mask(builder, masks, call);
    for (const ValueId input : inputs) builder.set_mask(input, std::nullopt);
    return masks;
  }

  LayerPtr query_, key_, gate_, value_, output_;
};

}  // namespace

LayerRef MultiHeadAttention(MultiHeadAttentionOptions options) {
  return make_layer<MultiHeadAttentionLayer>(std::move(options));
}

void describe(Config& config, MultiHeadAttentionOptions& options) {
  config.required({"num_heads", "key_dim"});
  config.unused("seed", nullptr);
  config.unused({"flash_attention"});
  config.integer("num_heads", options.num_heads);
  config.integer("key_dim", options.key_dim);
  if (!options.value_dim) options.value_dim = options.key_dim;
  config.optional_integer("value_dim", options.value_dim);
  config.number("dropout", options.dropout);
  config.boolean("use_bias", options.use_bias);
  config.optional_shape("output_shape", options.output_shape);
  config.axes("attention_axes", options.attention_axes, AxesForm::kListOrNull);
  config.optional_integer("sliding_window", options.sliding_window);
  config.boolean("use_gate", options.use_gate);
  config.kernel_and_bias_weights(options);
  config.names_activity_regularizer();
}

}  // namespace lamina::layers

#include "layers/config/registered_layers.h"
#include "layers/grouped_heads.h"
#include "layers/heads_layer.h"

namespace lamina::layers {
namespace {

// Keras calls the class so, and what it exports GroupQueryAttention.
constexpr const char* kClassName = "GroupedQueryAttention";

class GroupQueryAttentionLayer final : public HeadsLayer<GroupQueryAttentionOptions> {
 public:
  explicit GroupQueryAttentionLayer(GroupQueryAttentionOptions options)
      : HeadsLayer(kClassName, std::move(options)) {
    require_positive("head_dim", options_.head_dim);
    require_positive("num_query_heads", options_.num_query_heads);
    require_positive("num_key_value_heads", options_.num_key_value_heads);
    if (options_.num_query_heads % options_.num_key_value_heads != 0) {
      fail("`num_query_heads` must be divisible by `num_key_value_heads`.");
    }
    if (options_.sliding_window && *options_.sliding_window <= 0) {
      fail("`sliding_window` must be `None` or a positive integer. Received: sliding_window=" +
           std::to_string(*options_.sliding_window));
    }
    input_spec_.count = std::nullopt;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    check_shapes(inputs);
    return {inputs[0]};
  }

  [[nodiscard]] Shape scores_shape(const Shapes& inputs) const override {
    return {inputs[0][0], options_.num_query_heads, inputs[0][1], inputs.back()[1]};
  }

  [[nodiscard]] CallSignature call_signature() const override {
    return {.inputs = {"query", "value", "key"},
            .required = 2,
            .tensors = {"query_mask", "value_mask", "key_mask", "attention_mask"},
            .flags = {"use_causal_mask", kReturnScores}};
  }

 protected:
  // Sublayers are made here, in Keras's order, since their names count from when they are made.
  void on_build(const Shapes& inputs) override {
    check_shapes(inputs);
    const std::int64_t heads = options_.num_query_heads, groups = options_.num_key_value_heads;
    query_ = to_heads("_query_dense", "query", inputs[0], heads);
    key_ = to_heads("_key_dense", "key", inputs.back(), groups);
    if (options_.use_gate) gate_ = to_heads("_gate_dense", "gate", inputs[0], heads, "sigmoid");
    value_ = to_heads("_value_dense", "value", inputs[1], groups);
    make_softmax_and_dropout();
    output_ = project("_output_dense", "attention_output", "abcd,cde->abe", {kNone, inputs[0][-1]},
                      "e", {kNone, kNone, heads, options_.head_dim}, activity_regularizer());
  }

  [[nodiscard]] Ids on_lower_call(Builder& builder, const Ids& inputs,
                                  const CallValues& call) override {
    const ValueId query = inputs.at(0);
    Ids masks;
    add_mask(builder, masks, call.tensor("query_mask"), 2);
    add_mask(builder, masks, call.tensor("value_mask"), 3);
    add_mask(builder, masks, call.tensor("key_mask"), 3);
    add_attention_mask(builder, masks, call);
    const ValueId q = heads_first(builder, lowered(builder, query_, query));
    const ValueId k = heads_first(builder, lowered(builder, key_, inputs.back()));
    const ValueId v = heads_first(builder, lowered(builder, value_, inputs.at(1)));
    const Reach reach{call.flag("use_causal_mask"), options_.sliding_window};
    const bool returned = call.flag(kReturnScores);
    auto [y, scores] = attended(builder, q, k, v, reach, masks, returned);
    if (gate_) y = builder.binary(ops::Binary::kMultiply, y, lowered(builder, gate_, query));
    y = lowered(builder, output_, y);
    return returned ? Ids{y, scores} : Ids{y};
  }

 private:
  void check_shapes(const Shapes& inputs) const {
    if (inputs.size() != 2 && inputs.size() != 3) {
      fail("should be called on a query, a value and, if that is not the value, a key. Received " +
           std::to_string(inputs.size()) + " inputs.");
    }
    for (const Shape& input : inputs) {
      if (input.rank() == 3) continue;
      fail("Its inputs have three axes, (batch, places, features). Received: " + input.str());
    }
    const Shape &query = inputs[0], &value = inputs[1];
    if (query[-1] != value[-1]) {
      fail("The last dimension of `query_shape` and `value_shape` must be equal, but are " +
           std::to_string(query[-1]) + ", " + std::to_string(value[-1]) +
           ". Received: query_shape=" + query.str() + ", value_shape=" + value.str());
    }
    require_one_batch(inputs);
    require_key_of_value(value, inputs.back());
  }

  [[nodiscard]] LayerPtr to_heads(const char* attribute, const char* sublayer, const Shape& input,
                                  std::int64_t heads, ActivationFunction activation = {}) {
    return project(attribute, sublayer, "abc,cde->abde", {kNone, heads, options_.head_dim}, "de",
                   input, activity_regularizer(), std::move(activation));
  }

  struct Attended {
    ValueId y;       ///< (batch, targets, heads, features)
    ValueId scores;  ///< (batch, heads, targets, sources)
  };
  [[nodiscard]] Attended attended(Builder& builder, ValueId q, ValueId k, ValueId v,
                                  const Reach& reach, const Ids& masks, bool returned) const {
    const double scale = 1 / std::sqrt(static_cast<double>(options_.head_dim));
    const ValueId scores = grouped_scores(builder, q, k, scale, statistics_dtype(compute_dtype()));
    const Weights weights = attention_weights(builder, scores, reach, masks, returned);
    return {grouped_values(builder, weights.dropped, v, compute_dtype()), weights.whole};
  }

  LayerPtr query_, key_, gate_, value_, output_;
};

}  // namespace

LayerRef GroupQueryAttention(GroupQueryAttentionOptions options) {
  return make_layer<GroupQueryAttentionLayer>(std::move(options));
}

void describe(Config& config, GroupQueryAttentionOptions& options) {
  config.required({"head_dim", "num_query_heads", "num_key_value_heads"});
  config.unused("seed", nullptr);
  config.unused({"flash_attention"});
  config.integer("head_dim", options.head_dim);
  config.integer("num_query_heads", options.num_query_heads);
  config.integer("num_key_value_heads", options.num_key_value_heads);
  config.number("dropout", options.dropout);
  config.boolean("use_bias", options.use_bias);
  config.optional_integer("sliding_window", options.sliding_window);
  config.boolean("use_gate", options.use_gate);
  config.kernel_and_bias_weights(options);
  config.names_activity_regularizer();
}

}  // namespace lamina::layers

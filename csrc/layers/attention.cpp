// Attention of Luong's and of Bahdanau's style, without heads.
#include "layers/attention_mask.h"
#include "layers/attention_scores.h"
#include "layers/axes.h"
#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"
#include "layers/masks.h"

namespace lamina::layers {
namespace {

// Not in the template below, of which GCC 12 makes an internal error.
CallSignature signature() {
  return {.tensors = {"query_mask", "value_mask"},
          .flags = {"use_causal_mask", kReturnScores},
          .mask_list = {"query_mask", "value_mask"}};
}

/// All but how a query and a key are scored.
template <class Options>
class ScoringLayer : public LibraryLayer<Options>, public ReturnsScores {
 public:
  [[nodiscard]] CallSignature call_signature() const override { return signature(); }
  [[nodiscard]] bool supports_masking() const override { return true; }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    check_shapes(inputs);
    return {{inputs[0][0], inputs[0][1], inputs[1][2]}};
  }
  [[nodiscard]] Shape scores_shape(const Shapes& inputs) const override {
    return {inputs[0][0], inputs[0][1], inputs.back()[1]};
  }

 protected:
  ScoringLayer(const char* class_name, Options options)
      : LibraryLayer<Options>(class_name, std::move(options)) {
    const double rate = this->options_.dropout;
    if (!(rate >= 0 && rate <= 1)) {
      this->fail(
          "Invalid value received for argument `dropout`. Expected a float value between 0 and 1. "
          "Received: dropout=" +
          std::to_string(rate));
    }
    this->input_spec_.count = std::nullopt;
  }

  [[nodiscard]] Masks compute_mask(Builder&, const Ids&, const Masks& previous) override {
    return {previous.at(0)};
  }

  [[nodiscard]] Ids on_lower_call(Builder& builder, const Ids& inputs,
                                  const CallValues& call) override {
    Ids x;
    for (const ValueId input : inputs) x.push_back(this->computable(builder, input));
    const ValueId weights = attention_weights(builder, scores(builder, x[0], x.back()), call);
    ValueId y = builder.matmul(weights, x.at(1), {}, this->compute_dtype());
    if (const std::optional<ValueId> mask = call.tensor("query_mask")) {
      require_mask(builder, *mask, builder.shape(y)[0], builder.shape(y)[1]);
      y = kept(builder, y, expand_dims(builder, *mask, 2));
    }
    return call.flag(kReturnScores) ? Ids{y, weights} : Ids{y};
  }

  /// (batch, targets, sources), of a statistic's dtype.
  [[nodiscard]] virtual ValueId scores(Builder& builder, ValueId query, ValueId key) const = 0;

  /// The sum of each query and each key: (batch, targets, sources, features).
  [[nodiscard]] static ValueId sums(Builder& builder, ValueId query, ValueId key) {
    return builder.binary(ops::Binary::kAdd, expand_dims(builder, query, 2),
                          expand_dims(builder, key, 1));
  }
  /// x summed over its last axis.
  [[nodiscard]] static ValueId summed(Builder& builder, ValueId x) {
    Shape shape = builder.shape(x);
    shape = Shape(std::vector<std::int64_t>(shape.begin(), shape.end() - 1));
    const std::size_t last = shape.rank();
    return builder.sum(x, {last}, std::move(shape));
  }
  /// x times a variable, which is one number.
  [[nodiscard]] static ValueId times(Builder& builder, ValueId x, const VariablePtr& factor) {
    const DType dtype = builder.dtype(x);
    const ValueId value =
        builder.emit(ops::ParamValue{{{1}, dtype}}, {}, {graph::Param::of(factor, dtype, {1})});
    return builder.binary(ops::Binary::kMultiply, x, value);
  }

  void check_shapes(const Shapes& inputs) const {
    if (inputs.size() != 2 && inputs.size() != 3) {
      this->fail(this->class_name() +
                 " layer accepts inputs list of length 2 or 3, namely [query, value] or [query, "
                 "value, key]. Received length: " +
                 std::to_string(inputs.size()) + ".");
    }
    for (const Shape& input : inputs) {
      if (input.rank() == 3) continue;
      this->unsupported("Inputs of other than three axes are not supported. Received the shape " +
                        input.str() + ".");
    }
    const Shape &query = inputs[0], &value = inputs[1], &key = inputs.back();
    const auto require = [&](const char* what, std::int64_t a, std::int64_t b) {
      if (a == b || a == kNone || b == kNone) return;
      this->fail(std::string(what) + " differ. Received: query " + query.str() + ", value " +
                 value.str() + ", key " + key.str());
    };
    require("The batch sizes of query and value", query[0], value[0]);
    require("The batch sizes of value and key", value[0], key[0]);
    require("The sizes of the second axes of value and key", value[1], key[1]);
    require("The numbers of features of query and key", query[2], key[2]);
  }

 private:
  /// How much each target attends to each source, which dropout may have taken from it: so Keras
  /// returns it as scores.
  [[nodiscard]] ValueId attention_weights(Builder& builder, ValueId scores,
                                          const CallValues& call) const {
    const Shape shape = builder.shape(scores);
    Ids masks;
    if (const std::optional<ValueId> mask = call.tensor("value_mask")) {
      require_mask(builder, *mask, shape[0], shape[2]);
      const Shape dims = builder.shape(*mask);
      masks.push_back(builder.reshape(*mask, {dims[0], 1, 1, dims[1]}));
    }
    // Where everything is masked, what adding 1e9 leaves of the differences remains, as in Keras.
    const MaskedScores masked =
        masked_scores(builder, builder.reshape(scores, {shape[0], 1, shape[1], shape[2]}),
                      Reach{call.flag("use_causal_mask"), {}}, masks, {.addend = -1e9});
    const ops::TensorSpec spec = builder.spec(masked.scores);
    const ValueId softmax = builder.emit(ops::Softmax{spec, spec, {3}, false}, {masked.scores});
    const ValueId weights = builder.reshape(builder.cast(softmax, this->compute_dtype()), shape);
    const double rate = this->options_.dropout;
    return builder.training() && rate > 0 ? builder.dropout(weights, rate) : weights;
  }

  void require_mask(const Builder& builder, ValueId mask, std::int64_t batch,
                    std::int64_t places) const {
    const Shape& shape = builder.shape(mask);
    const auto fits = [](std::int64_t dim, std::int64_t size) { return dim == 1 || dim == size; };
    if (shape.rank() == 2 && fits(shape[0], batch) && fits(shape[1], places)) return;
    this->fail("A mask is of the shape " + Shape{batch, places}.str() +
               ", as what it masks. Received: " + shape.str());
  }
};

class AttentionLayer final : public ScoringLayer<AttentionOptions> {
 public:
  explicit AttentionLayer(AttentionOptions options)
      : ScoringLayer("Attention", std::move(options)) {
    if (options_.score_mode == "dot" || options_.score_mode == "concat") return;
    fail(
        "Invalid value for argument score_mode. Expected one of {'dot', 'concat'}. Received: "
        "score_mode=" +
        options_.score_mode);
  }

 protected:
  void on_build(const Shapes& inputs) override {
    check_shapes(inputs);
    const Initializer ones = "ones";
    if (options_.use_scale) scale_ = add_weight("scale", {}, ones.bind());
    if (options_.score_mode == "concat") {
      weight_ = add_weight("concat_score_weight", {}, ones.bind());
    }
  }

  [[nodiscard]] ValueId scores(Builder& builder, ValueId query, ValueId key) const override {
    const DType wide = statistics_dtype(compute_dtype());
    if (!weight_) {
      ops::MatMul product;
      product.transpose_x1 = true;
      const ValueId products = builder.matmul(query, key, std::move(product), wide);
      return scale_ ? times(builder, products, scale_) : products;
    }
    ValueId x = sums(builder, query, key);
    if (scale_) x = times(builder, x, scale_);
    x = summed(builder, builder.activation(x, {ops::Unary::kTanh}));
    return times(builder, builder.cast(x, wide), weight_);
  }

 private:
  VariablePtr scale_, weight_;
};

class AdditiveAttentionLayer final : public ScoringLayer<AdditiveAttentionOptions> {
 public:
  explicit AdditiveAttentionLayer(AdditiveAttentionOptions options)
      : ScoringLayer("AdditiveAttention", std::move(options)) {}

 protected:
  void on_build(const Shapes& inputs) override {
    check_shapes(inputs);
    if (!options_.use_scale) return;
    scale_ = add_weight("scale", {inputs[0][-1]}, Initializer("glorot_uniform").bind());
  }

  [[nodiscard]] ValueId scores(Builder& builder, ValueId query, ValueId key) const override {
    const ValueId x = builder.activation(sums(builder, query, key), {ops::Unary::kTanh});
    const DType wide = statistics_dtype(compute_dtype());
    if (!scale_) return builder.cast(summed(builder, x), wide);
    const Shape shape = builder.shape(x);
    ops::Dense op;  // the sum of what it weighs
    op.x = builder.spec(x);
    op.y = {{shape[0], shape[1], shape[2], 1}, op.x.dtype};
    const graph::Param kernel = graph::Param::of(scale_, op.x.dtype, {shape[3], 1});
    const ValueId y = builder.emit(std::move(op), {x}, {kernel});
    return builder.cast(builder.reshape(y, {shape[0], shape[1], shape[2]}), wide);
  }

 private:
  VariablePtr scale_;
};

}  // namespace

LayerRef Attention(AttentionOptions options) {
  return make_layer<AttentionLayer>(std::move(options));
}

LayerRef AdditiveAttention(AdditiveAttentionOptions options) {
  return make_layer<AdditiveAttentionLayer>(std::move(options));
}

void describe(Config& config, AttentionOptions& options) {
  config.unused("seed", nullptr);
  config.boolean("use_scale", options.use_scale);
  config.string("score_mode", options.score_mode);
  config.number("dropout", options.dropout);
}

void describe(Config& config, AdditiveAttentionOptions& options) {
  config.unused("seed", nullptr);
  config.boolean("use_scale", options.use_scale);
  config.number("dropout", options.dropout);
}

}  // namespace lamina::layers

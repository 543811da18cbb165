#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"
#include "layers/masks.h"
#include "layers/operations/promotion.h"
#include "layers/trace.h"

namespace lamina::layers {
namespace {

/// Embedding, and what it has in common with ReversibleEmbedding.
template <class Options>
class EmbeddingBase : public LibraryLayer<Options> {
 public:
  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    Shape out = inputs.at(0);
    out.push_back(this->options_.output_dim);
    return {out};
  }
  [[nodiscard]] bool supports_masking() const override { return this->options_.mask_zero; }

 protected:
  EmbeddingBase(const char* class_name, Options options)
      : LibraryLayer<Options>(class_name, std::move(options)) {
    require_positive("input_dim", this->options_.input_dim);
    require_positive("output_dim", this->options_.output_dim);
  }

  void on_build(const Shapes&) override {
    const Options& options = this->options_;
    embeddings_ = this->add_weight("embeddings", {options.input_dim, options.output_dim},
                                   options.embeddings_initializer.bind(),
                                   {options.embeddings_regularizer, options.embeddings_constraint});
  }

  [[nodiscard]] bool autocast() const override { return false; }  // indices

  /// False where the index is 0.
  [[nodiscard]] static ValueId mask_of(Builder& builder, ValueId ids) {
    return not_equal(builder, ids, 0);
  }
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const ValueId ids = inputs.at(0);
    const ops::TensorSpec spec = builder.spec(ids);
    const DType dtype = this->compute_dtype();
    ops::Gather op;
    op.ids = spec;
    op.y = {compute_output_shape({spec.shape})[0], dtype};
    op.rows = this->options_.input_dim;
    return {builder.emit(std::move(op), {ids}, {graph::Param::of(embeddings_, dtype)})};
  }
  [[nodiscard]] const VariablePtr& embeddings() const noexcept { return embeddings_; }

 private:
  void require_positive(const std::string& option, std::int64_t value) const {
    if (value > 0) return;
    this->fail("`" + option + "` must be a positive integer. Received: " + option + "=" +
               std::to_string(value));
  }

  VariablePtr embeddings_;
};

class EmbeddingLayer final : public EmbeddingBase<EmbeddingOptions> {
 public:
  explicit EmbeddingLayer(EmbeddingOptions options)
      : EmbeddingBase("Embedding", std::move(options)) {}

 protected:
  [[nodiscard]] Masks compute_mask(Builder& builder, const Ids& inputs, const Masks&) override {
    return {mask_of(builder, inputs.at(0))};
  }
};

class ReversibleEmbeddingLayer final : public EmbeddingBase<ReversibleEmbeddingOptions>,
                                       public OutputsByCall {
 public:
  explicit ReversibleEmbeddingLayer(ReversibleEmbeddingOptions options)
      : EmbeddingBase("ReversibleEmbedding", std::move(options)) {
    if (options_.reverse_dtype.empty()) return;
    reverse_dtype_ = checked([&] { return dtype_from_name(options_.reverse_dtype); });
    if (!is_floating(*reverse_dtype_)) {
      fail("`reverse_dtype` must be a floating dtype. Received: reverse_dtype=" +
           options_.reverse_dtype);
    }
  }

  [[nodiscard]] CallSignature call_signature() const override { return {.flags = {kReverse}}; }
  [[nodiscard]] std::vector<ops::TensorSpec> output_specs(const CallSpecs& call) override {
    const ops::TensorSpec& x = call.inputs.at(0);
    if (!call.flags.contains(kReverse)) {
      return {{compute_output_shape({x.shape})[0], compute_dtype()}};
    }
    if (x.shape.rank() == 0 || (x.shape[-1] != kNone && x.shape[-1] != options_.output_dim)) {
      fail(
          "In reverse the last axis of its input has `output_dim` elements. Received: "
          "output_dim=" +
          std::to_string(options_.output_dim) + ", input shape " + x.shape.str());
    }
    Shape out = x.shape;
    out[-1] = options_.input_dim;
    return {{std::move(out), product_dtype(x.dtype)}};
  }

 protected:
  void on_build(const Shapes& inputs) override {
    EmbeddingBase::on_build(inputs);
    if (options_.tie_weights) return;
    reverse_ = add_weight("reverse_embeddings", {options_.output_dim, options_.input_dim},
                          options_.embeddings_initializer.bind());
  }

  /// What Keras has of masks its `call` sets, and none in reverse.
  [[nodiscard]] Masks compute_mask(Builder&, const Ids&, const Masks&) override { return {}; }
  [[nodiscard]] Ids on_lower_call(Builder& builder, const Ids& inputs,
                                  const CallValues& call) override {
    if (!call.flag(kReverse)) {
      const Ids outputs = on_lower(builder, inputs);
      if (options_.mask_zero) builder.set_mask(outputs[0], mask_of(builder, inputs.at(0)));
      return outputs;
    }
    const ops::TensorSpec spec = builder.spec(inputs.at(0));
    const ops::TensorSpec to = output_specs({.inputs = {spec}, .flags = {kReverse}})[0];
    const std::int64_t size = options_.output_dim;
    const ValueId rows =
        builder.reshape(builder.cast(inputs[0], to.dtype), {spec.shape.size() / size, size});
    const VariablePtr& variable = options_.tie_weights ? embeddings() : reverse_;
    const ValueId kernel = builder.emit(ops::ParamValue{{variable->shape(), to.dtype}}, {},
                                        {graph::Param::of(variable, to.dtype)});
    ops::MatMul product;
    product.transpose_x1 = options_.tie_weights;
    const ValueId y = builder.matmul(rows, kernel, std::move(product), to.dtype);
    return {builder.reshape(capped(builder, y), to.shape)};
  }

 private:
  static constexpr const char* kReverse = "reverse";

  [[nodiscard]] DType product_dtype(DType input) const {
    return reverse_dtype_.value_or(promoted(input, compute_dtype()));
  }
  [[nodiscard]] ValueId capped(Builder& builder, ValueId y) const {
    if (!options_.logit_soft_cap) return y;
    const ValueId cap = constant(builder, *options_.logit_soft_cap, builder.dtype(y));
    y = builder.activation(builder.binary(ops::Binary::kDivide, y, cap), {ops::Unary::kTanh});
    return builder.binary(ops::Binary::kMultiply, y, cap);
  }

  std::optional<DType> reverse_dtype_;
  VariablePtr reverse_;
};

template <class Options>
void describe_embedding(Config& config, Options& options) {
  config.required({"input_dim", "output_dim"});
  config.unused({"lora_alpha", "input_length"});
  config.absent({"lora_rank", "weights"});
  config.fixed("quantization_config", nullptr);
  config.integer("input_dim", options.input_dim);
  config.integer("output_dim", options.output_dim);
  config.weights({{"embeddings", options.embeddings_initializer, options.embeddings_regularizer,
                   options.embeddings_constraint}});
  config.names_activity_regularizer();
  config.boolean("mask_zero", options.mask_zero);
}

}  // namespace

LayerRef Embedding(EmbeddingOptions options) {
  return make_layer<EmbeddingLayer>(std::move(options));
}

LayerRef ReversibleEmbedding(ReversibleEmbeddingOptions options) {
  return make_layer<ReversibleEmbeddingLayer>(std::move(options));
}

void describe(Config& config, EmbeddingOptions& options) {
  describe_embedding(config, options);
}

void describe(Config& config, ReversibleEmbeddingOptions& options) {
  describe_embedding(config, options);
  config.boolean("tie_weights", options.tie_weights);
  config.optional_string("reverse_dtype", options.reverse_dtype);
  config.optional_number("logit_soft_cap", options.logit_soft_cap);
}

}  // namespace lamina::layers

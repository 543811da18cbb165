#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"
#include "layers/masks.h"

namespace lamina::layers {
namespace {

class EmbeddingLayer final : public LibraryLayer<EmbeddingOptions> {
 public:
  explicit EmbeddingLayer(EmbeddingOptions options)
      : LibraryLayer("Embedding", std::move(options)) {
    if (options_.input_dim <= 0) {
      fail("`input_dim` must be a positive integer. Received: input_dim=" +
           std::to_string(options_.input_dim));
    }
    if (options_.output_dim <= 0) {
      fail("`output_dim` must be a positive integer. Received: output_dim=" +
           std::to_string(options_.output_dim));
    }
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    Shape out = inputs.at(0);
    out.push_back(options_.output_dim);
    return {out};
  }
  [[nodiscard]] bool supports_masking() const override { return options_.mask_zero; }

 protected:
  void on_build(const Shapes&) override {
    embeddings_ = add_weight("embeddings", {options_.input_dim, options_.output_dim},
                             options_.embeddings_initializer.bind(),
                             {options_.embeddings_regularizer, options_.embeddings_constraint});
  }

  [[nodiscard]] bool autocast() const override { return false; }  // indices

  [[nodiscard]] Masks compute_mask(Builder& builder, const Ids& inputs, const Masks&) override {
    return {not_equal(builder, inputs.at(0), 0)};
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const ValueId ids = inputs.at(0);
    const ops::TensorSpec spec = builder.spec(ids);
    ops::Gather op;
    op.ids = spec;
    op.y = {compute_output_shape({spec.shape})[0], compute_dtype()};
    op.rows = options_.input_dim;
    return {builder.emit(std::move(op), {ids}, {graph::Param::of(embeddings_, compute_dtype())})};
  }

 private:
  VariablePtr embeddings_;
};

}  // namespace

LayerRef Embedding(EmbeddingOptions options) {
  return make_layer<EmbeddingLayer>(std::move(options));
}

void describe(Config& config, EmbeddingOptions& options) {
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

}  // namespace lamina::layers

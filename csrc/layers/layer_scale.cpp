#include "layers/axes.h"
#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

class LayerScaleLayer final : public LibraryLayer<LayerScaleOptions> {
 public:
  explicit LayerScaleLayer(LayerScaleOptions options)
      : LibraryLayer("LayerScale", std::move(options)) {
    if (options_.projection_dim <= 0) {
      fail("`projection_dim` must be a positive integer. Received: projection_dim=" +
           std::to_string(options_.projection_dim));
    }
    input_spec_.min_ndim = 2;
    input_spec_.axes[-1] = options_.projection_dim;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override { return inputs; }

 protected:
  void on_build(const Shapes&) override {
    gamma_ = Layer::add_weight({.shape = {options_.projection_dim},
                                .initializer = initializers::Constant{options_.init_values}});
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const ValueId x = computable(builder, inputs.at(0));
    ColumnAffine affine;
    affine.scale = graph::Param::of(gamma_, statistics_dtype(compute_dtype()));
    return {column_affine(builder, x, {builder.shape(x).rank() - 1}, std::move(affine))};
  }

 private:
  VariablePtr gamma_;
};

}  // namespace

LayerRef LayerScale(LayerScaleOptions options) {
  return make_layer<LayerScaleLayer>(std::move(options));
}

void describe(Config& config, LayerScaleOptions& options) {
  config.required({"init_values", "projection_dim"});
  config.number("init_values", options.init_values);
  config.integer("projection_dim", options.projection_dim);
}

}  // namespace lamina::layers

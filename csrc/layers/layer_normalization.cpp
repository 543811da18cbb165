#include <algorithm>

#include "layers/axes.h"
#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

class LayerNormalizationLayer final : public LibraryLayer<LayerNormalizationOptions> {
 public:
  explicit LayerNormalizationLayer(LayerNormalizationOptions options)
      : LibraryLayer("LayerNormalization", std::move(options)), axes_(options_.axis.values) {
    if (axes_.empty()) fail("Expected at least one axis for the argument 'axis'.");
    std::sort(axes_.begin(), axes_.end());  // as given, before negative ones are resolved: so Keras
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    (void)axis_indices(inputs.at(0), axes_);
    return inputs;
  }
  [[nodiscard]] bool supports_masking() const override { return true; }

 protected:
  void on_build(const Shapes& inputs) override {
    Shape shape;
    for (const std::int64_t axis : axes_) {
      shape.push_back(inputs.at(0).dims()[axis_index(inputs[0], axis)]);
    }
    if (options_.scale) {
      gamma_ = add_weight("gamma", shape, options_.gamma_initializer.bind(),
                          {options_.gamma_regularizer, options_.gamma_constraint});
    }
    if (options_.center) {
      beta_ = add_weight("beta", shape, options_.beta_initializer.bind(),
                         {options_.beta_regularizer, options_.beta_constraint});
    }
  }

  [[nodiscard]] bool autocast() const override { return false; }

  // Keras casts the result, not the input, to the compute dtype; integers to float32 before.
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    ValueId x = inputs.at(0);
    if (!is_floating(builder.dtype(x))) x = builder.cast(x, statistics_dtype(compute_dtype()));
    ops::LayerNorm op;
    op.x = builder.spec(x);
    op.y = op.x;
    op.axes = axis_indices(op.x.shape, axes_);
    op.epsilon = options_.epsilon;
    op.scale = options_.scale;
    op.center = options_.center;
    Shape sizes;
    for (const std::size_t axis : op.axes) sizes.push_back(op.x.shape.dims()[axis]);
    const DType dtype = statistics_dtype(op.x.dtype);
    std::vector<graph::Param> params;
    for (const VariablePtr& variable : {gamma_, beta_}) {
      if (variable) params.push_back(graph::Param::of(variable, dtype, sizes));
    }
    return {builder.cast(builder.emit(std::move(op), {x}, std::move(params)), compute_dtype())};
  }

 private:
  std::vector<std::int64_t> axes_;
  VariablePtr gamma_, beta_;
};

}  // namespace

LayerRef LayerNormalization(LayerNormalizationOptions options) {
  return make_layer<LayerNormalizationLayer>(std::move(options));
}

void describe(Config& config, LayerNormalizationOptions& options) {
  config.fixed("rms_scaling", false);
  config.axes("axis", options.axis, AxesForm::kList);
  config.number("epsilon", options.epsilon);
  config.boolean("center", options.center);
  config.boolean("scale", options.scale);
  config.weights(
      {{"beta", options.beta_initializer, options.beta_regularizer, options.beta_constraint},
       {"gamma", options.gamma_initializer, options.gamma_regularizer, options.gamma_constraint}});
}

}  // namespace lamina::layers

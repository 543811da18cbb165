#include "layers/axes.h"
#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

class BatchNormalizationLayer final : public LibraryLayer<BatchNormalizationOptions> {
 public:
  explicit BatchNormalizationLayer(BatchNormalizationOptions options)
      : LibraryLayer("BatchNormalization", std::move(options)) {}

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    (void)axis_index(inputs.at(0), options_.axis);
    return inputs;
  }

 protected:
  void on_build(const Shapes& inputs) override {
    const Shape& in = inputs.at(0);
    const std::int64_t size = in.dims()[axis_index(in, options_.axis)];
    if (options_.scale) {
      gamma_ = add_weight("gamma", {size}, options_.gamma_initializer.bind(),
                          {options_.gamma_regularizer, options_.gamma_constraint});
    }
    if (options_.center) {
      beta_ = add_weight("beta", {size}, options_.beta_initializer.bind(),
                         {options_.beta_regularizer, options_.beta_constraint});
    }
    mean_ = add_weight("moving_mean", {size}, options_.moving_mean_initializer.bind(), false);
    variance_ =
        add_weight("moving_variance", {size}, options_.moving_variance_initializer.bind(), false);
    input_spec_.ndim = in.rank();
    input_spec_.axes = {{options_.axis, size}};
  }

  // Narrow types are widened for this layer: no autocast of its variables, and integers, which may
  // be beyond a narrow type, become float32.
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const DType dtype = statistics_dtype(compute_dtype());
    const bool floating = is_floating(builder.dtype(inputs.at(0)));
    const ValueId x = builder.cast(inputs[0], floating ? compute_dtype() : dtype);
    return {builder.cast(normalized(builder, x), compute_dtype())};
  }

 private:
  [[nodiscard]] ValueId normalized(Builder& builder, ValueId x) {
    if (builder.training() && trainable()) return lower_training(builder, x);
    auto op = normalization_of<ops::BatchNorm>(builder.spec(x));
    const DType dtype = statistics_dtype(compute_dtype());
    std::vector<graph::Param> params;
    for (const VariablePtr& variable : {gamma_, beta_, mean_, variance_}) {
      if (variable) params.push_back(graph::Param::of(variable, dtype));
    }
    return builder.emit(std::move(op), {x}, std::move(params));
  }

  template <class Op>
  [[nodiscard]] Op normalization_of(const ops::TensorSpec& x) const {
    Op op;
    op.x = x;
    op.y = x;
    op.axis = axis_index(x.shape, options_.axis);
    op.epsilon = options_.epsilon;
    op.scale = options_.scale;
    op.center = options_.center;
    return op;
  }

  // On the batch's own statistics, which the moving ones follow.
  [[nodiscard]] ValueId lower_training(Builder& builder, ValueId x) {
    const DType dtype = statistics_dtype(compute_dtype());
    auto op = normalization_of<ops::BatchNormTraining>(builder.spec(x));
    op.statistics = {{2, op.x.shape.dims()[op.axis]}, dtype};
    const ValueId statistics =
        builder.emit(ops::BatchNormStatistics{op.x, op.statistics, op.axis}, {x});
    builder.moving_average(mean_, statistics, 0, options_.momentum);
    builder.moving_average(variance_, statistics, 1, options_.momentum);
    std::vector<graph::Param> params;
    for (const VariablePtr& variable : {gamma_, beta_}) {
      if (variable) params.push_back(graph::Param::of(variable, dtype));
    }
    return builder.emit(std::move(op), {x, statistics}, std::move(params));
  }

  VariablePtr gamma_, beta_, mean_, variance_;
};

}  // namespace

LayerRef BatchNormalization(BatchNormalizationOptions options) {
  return make_layer<BatchNormalizationLayer>(std::move(options));
}

void describe(Config& config, BatchNormalizationOptions& options) {
  config.unused("synchronized", false);
  config.unused("renorm_clipping", nullptr);
  config.unused("renorm_momentum", 0.99);
  config.fixed("renorm", false);
  config.axis("axis", options.axis);
  config.number("momentum", options.momentum);
  config.number("epsilon", options.epsilon);
  config.boolean("center", options.center);
  config.boolean("scale", options.scale);
  config.weights(
      {{"beta", options.beta_initializer, options.beta_regularizer, options.beta_constraint},
       {"gamma", options.gamma_initializer, options.gamma_regularizer, options.gamma_constraint}});
  config.initializer("moving_mean_initializer", options.moving_mean_initializer);
  config.initializer("moving_variance_initializer", options.moving_variance_initializer);
}

}  // namespace lamina::layers

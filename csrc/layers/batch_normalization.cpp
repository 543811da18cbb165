#include "layers/arguments.h"
#include "layers/axes.h"
#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"
#include "layers/masks.h"

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
  [[nodiscard]] bool supports_masking() const override { return true; }
  [[nodiscard]] CallSignature call_signature() const override { return {.tensors = {"mask"}}; }

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
  [[nodiscard]] Ids on_lower_call(Builder& builder, const Ids& inputs,
                                  const CallValues& call) override {
    const DType dtype = statistics_dtype(compute_dtype());
    const bool floating = is_floating(builder.dtype(inputs.at(0)));
    const ValueId x = builder.cast(inputs[0], floating ? compute_dtype() : dtype);
    const std::optional<ValueId> mask = call.tensor("mask");
    if (mask) require_fit(builder.shape(*mask), builder.shape(x));
    return {builder.cast(normalized(builder, x, mask), compute_dtype())};
  }

 private:
  void require_fit(const Shape& mask, const Shape& inputs) const {
    bool fits = mask.rank() + 1 == inputs.rank();
    for (std::size_t i = 0; fits && i < mask.rank(); ++i) {
      fits = mask.dims()[i] == 1 || mask.dims()[i] == inputs.dims()[i];
    }
    if (fits) return;
    fail("The mask provided should be one dimension less than the inputs. Received: mask.shape=" +
         mask.str() + ", inputs.shape=" + inputs.str());
  }

  [[nodiscard]] ValueId normalized(Builder& builder, ValueId x,
                                   const std::optional<ValueId>& mask) {
    if (builder.training() && trainable()) {
      return mask ? lower_masked_training(builder, x, *mask) : lower_training(builder, x);
    }
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

  /// On the statistics of what the mask leaves; all that follows is made of them.
  [[nodiscard]] ValueId lower_masked_training(Builder& builder, ValueId x, ValueId mask) {
    const DType dtype = statistics_dtype(compute_dtype());
    x = builder.cast(x, dtype);
    const Shape in = builder.shape(x);
    const std::size_t axis = axis_index(in, options_.axis);
    Shape channels(std::vector<std::int64_t>(in.rank(), 1));
    channels[static_cast<std::int64_t>(axis)] = in.dims()[axis];
    std::vector<std::size_t> others;
    for (std::size_t i = 0; i < in.rank(); ++i) {
      if (i != axis) others.push_back(i);
    }
    const ValueId kept_numbers = broadcast_numbers(builder, mask, in, dtype);
    // Epsilon is for where everything is masked.
    const ValueId count = builder.activation(builder.sum(kept_numbers, others, channels),
                                             {ops::Unary::kScaleShift, 1, kEpsilon});
    const auto mean_of = [&](ValueId value) {
      const ValueId left = builder.binary(ops::Binary::kKeep, value, kept_numbers);
      return builder.binary(ops::Binary::kDivide, builder.sum(left, others, channels), count);
    };
    const ValueId mean = mean_of(x);
    const ValueId centred = builder.binary(ops::Binary::kSubtract, x, mean);
    const ValueId variance = mean_of(builder.binary(ops::Binary::kMultiply, centred, centred));
    follow(builder, mean, variance, in.dims()[axis]);
    ValueId y =
        builder.binary(ops::Binary::kMultiply, centred,
                       builder.activation(variance, {ops::Unary::kInverseRoot, options_.epsilon}));
    const auto weight = [&](const VariablePtr& variable) {
      return builder.emit(ops::ParamValue{{channels, dtype}}, {},
                          {graph::Param::of(variable, dtype, channels)});
    };
    if (gamma_) y = builder.binary(ops::Binary::kMultiply, y, weight(gamma_));
    if (beta_) y = builder.binary(ops::Binary::kAdd, y, weight(beta_));
    return y;
  }

  /// 1 or 0 for each element of `shape`, which has one axis more than the mask.
  [[nodiscard]] static ValueId broadcast_numbers(Builder& builder, ValueId mask, const Shape& shape,
                                                 DType dtype) {
    const ValueId numbers =
        mask_numbers(builder, expand_dims(builder, mask, builder.shape(mask).rank()), dtype);
    const ValueId all = mask_numbers(builder, constant_mask(builder, shape, true), dtype);
    return builder.binary(ops::Binary::kMultiply, all, numbers);
  }

  void follow(Builder& builder, ValueId mean, ValueId variance, std::int64_t size) {
    const Shape row{1, size};
    ops::Concat op;
    op.xs.assign(2, {row, builder.dtype(mean)});
    op.y = {{2, size}, builder.dtype(mean)};
    const ValueId statistics =
        builder.emit(std::move(op), {builder.reshape(mean, row), builder.reshape(variance, row)});
    builder.moving_average(mean_, statistics, 0, options_.momentum);
    builder.moving_average(variance_, statistics, 1, options_.momentum);
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

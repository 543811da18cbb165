#include "layers/axes.h"
#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

class GroupNormalizationLayer final : public LibraryLayer<GroupNormalizationOptions> {
 public:
  explicit GroupNormalizationLayer(GroupNormalizationOptions options)
      : LibraryLayer("GroupNormalization", std::move(options)), groups_(options_.groups) {
    if (groups_ > 0 || groups_ == -1) return;
    fail(
        "Received an invalid value for argument `groups`, expected a positive integer (or `-1` for "
        "instance normalization). Received: groups=" +
        std::to_string(groups_));
  }

  [[nodiscard]] GroupNormalizationOptions current_options() const override {
    GroupNormalizationOptions options = LibraryLayer::current_options();
    if (built()) options.groups = groups_;
    return options;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    (void)axis_index(inputs.at(0), options_.axis);
    return inputs;
  }
  [[nodiscard]] bool supports_masking() const override { return true; }

 protected:
  void on_build(const Shapes& inputs) override {
    const Shape& in = inputs.at(0);
    const std::size_t axis = axis_index(in, options_.axis);
    const std::int64_t dim = in.dims()[axis];
    if (axis == 0) unsupported("The batch as `axis` is not supported.");
    if (dim == kNone) {
      fail("Axis " + std::to_string(options_.axis) +
           " of input tensor should have a defined dimension but the layer received an input with "
           "shape " +
           in.str() + ".");
    }
    groups_ = options_.groups == -1 ? dim : options_.groups;
    if (dim < groups_) {
      fail("Number of groups (" + std::to_string(groups_) +
           ") cannot be more than the number of channels (" + std::to_string(dim) + ").");
    }
    if (dim % groups_ != 0) {
      fail("Number of groups (" + std::to_string(groups_) +
           ") must be a multiple of the number of channels (" + std::to_string(dim) + ").");
    }
    input_spec_.ndim = in.rank();
    input_spec_.axes = {{options_.axis, dim}};
    if (options_.scale) {
      gamma_ = add_weight("gamma", {dim}, options_.gamma_initializer.bind(),
                          {options_.gamma_regularizer, options_.gamma_constraint});
    }
    if (options_.center) {
      beta_ = add_weight("beta", {dim}, options_.beta_initializer.bind(),
                         {options_.beta_regularizer, options_.beta_constraint});
    }
  }

  [[nodiscard]] bool autocast() const override { return false; }

  // In float32 at least; Keras then casts to the input's dtype, of integers too.
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const DType given = builder.dtype(inputs.at(0));
    const ValueId x = builder.cast(inputs[0], statistics_dtype(given));
    const ValueId y = scaled(builder, normalized(builder, x));
    return {builder.cast(builder.cast(y, given), compute_dtype())};
  }

 private:
  /// Groups become rows: kernels are the fastest along these.
  [[nodiscard]] ValueId normalized(Builder& builder, ValueId x) const {
    const Shape shape = builder.shape(x);
    const std::size_t axis = axis_index(shape, options_.axis);
    std::int64_t before = 1, group = shape.dims()[axis] / groups_;
    for (std::size_t i = 1; i < axis; ++i) before *= shape.dims()[i];
    for (std::size_t i = axis + 1; i < shape.rank(); ++i) group *= shape.dims()[i];
    if (before == 1 || groups_ == 1) {
      const ValueId rows = builder.reshape(x, {shape[0], groups_, before * group});
      return builder.reshape(by_rows(builder, rows, {2}), shape);
    }
    const std::vector<std::size_t> swap{0, 2, 1, 3};
    const ValueId split = builder.reshape(x, {shape[0], before, groups_, group});
    const ValueId rows = by_rows(builder, builder.transpose(split, swap), {2, 3});
    return builder.reshape(builder.transpose(rows, swap), shape);
  }
  [[nodiscard]] ValueId by_rows(Builder& builder, ValueId x, std::vector<std::size_t> axes) const {
    ops::LayerNorm op;
    op.x = builder.spec(x);
    op.y = op.x;
    op.axes = std::move(axes);
    op.epsilon = options_.epsilon;
    op.scale = op.center = false;
    return builder.emit(std::move(op), {x});
  }

  /// By gamma and beta, as batch normalisation does where mean and variance are 0 and 1.
  [[nodiscard]] ValueId scaled(Builder& builder, ValueId x) const {
    if (!gamma_ && !beta_) return x;
    ops::BatchNorm op;
    op.x = builder.spec(x);
    op.y = op.x;
    op.axis = axis_index(op.x.shape, options_.axis);
    op.epsilon = 0;
    op.scale = options_.scale;
    op.center = options_.center;
    const DType dtype = op.x.dtype;
    const auto channels = static_cast<std::size_t>(op.x.shape.dims()[op.axis]);
    std::vector<graph::Param> params;
    for (const VariablePtr& variable : {gamma_, beta_}) {
      if (variable) params.push_back(graph::Param::of(variable, dtype));
    }
    for (const double value : {0.0, 1.0}) {
      params.push_back(constant_param(std::vector<double>(channels, value), dtype));
    }
    return builder.emit(std::move(op), {x}, std::move(params));
  }

  std::int64_t groups_;
  VariablePtr gamma_, beta_;
};

}  // namespace

LayerRef GroupNormalization(GroupNormalizationOptions options) {
  return make_layer<GroupNormalizationLayer>(std::move(options));
}

void describe(Config& config, GroupNormalizationOptions& options) {
  config.integer("groups", options.groups);
  config.axis("axis", options.axis);
  config.number("epsilon", options.epsilon);
  config.boolean("center", options.center);
  config.boolean("scale", options.scale);
  config.weights(
      {{"beta", options.beta_initializer, options.beta_regularizer, options.beta_constraint},
       {"gamma", options.gamma_initializer, options.gamma_regularizer, options.gamma_constraint}});
}

}  // namespace lamina::layers

#include <algorithm>

#include "layers/axes.h"
#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

class RMSNormalizationLayer final : public LibraryLayer<RMSNormalizationOptions> {
 public:
  explicit RMSNormalizationLayer(RMSNormalizationOptions options)
      : LibraryLayer("RMSNormalization", std::move(options)), axes_(options_.axis.values) {
    if (axes_.empty()) fail("Expected at least one axis for the argument 'axis'.");
    std::sort(axes_.begin(), axes_.end());  // as given, before negative ones are resolved: so Keras
  }

  [[nodiscard]] RMSNormalizationOptions current_options() const override {
    RMSNormalizationOptions options = LibraryLayer::current_options();
    if (built()) options.axis = axes_;
    return options;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    (void)axis_indices(inputs.at(0), axes_);
    return inputs;
  }

 protected:
  void on_build(const Shapes& inputs) override {
    Shape shape;
    for (const std::int64_t axis : axes_) {
      shape.push_back(inputs.at(0).dims()[axis_index(inputs[0], axis)]);
    }
    scale_ = add_weight("scale", shape, Initializer("ones").bind());
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    ValueId x = computable(builder, inputs.at(0));
    const DType wide = statistics_dtype(compute_dtype());
    const graph::Param scale = graph::Param::of(scale_, wide);
    ops::LayerNorm op;
    op.axes = axis_indices(builder.shape(x), axes_);
    op.epsilon = options_.epsilon;
    op.scale = scale_is_of_last_axes(builder.shape(x));
    op.center = false;
    op.rms = true;
    if (!op.scale) x = builder.cast(x, wide);
    op.x = builder.spec(x);
    op.y = op.x;
    if (op.scale) return {builder.emit(std::move(op), {x}, {scale})};
    require_broadcast(op.x.shape);
    const ValueId y = builder.emit(std::move(op), {x});
    const ValueId factor = builder.emit(ops::ParamValue{{scale_->shape(), wide}}, {}, {scale});
    return {builder.cast(builder.binary(ops::Binary::kMultiply, y, factor), compute_dtype())};
  }

 private:
  /// Whether the axes of `scale` are the last ones of `shape`, in order.
  [[nodiscard]] bool scale_is_of_last_axes(const Shape& shape) const {
    for (std::size_t i = 0; i < axes_.size(); ++i) {
      if (axis_index(shape, axes_[i]) != shape.rank() - axes_.size() + i) return false;
    }
    return true;
  }
  void require_broadcast(const Shape& shape) const {
    const Shape& scale = scale_->shape();
    for (std::size_t i = 1; i <= scale.rank(); ++i) {
      const std::int64_t dim = scale.dims()[scale.rank() - i];
      if (dim == 1 || dim == shape.dims()[shape.rank() - i]) continue;
      fail("`scale` of shape " + scale.str() + " does not broadcast to the input shape " +
           shape.str() + ": it multiplies the last axes, whatever `axis` is.");
    }
  }

  std::vector<std::int64_t> axes_;
  VariablePtr scale_;
};

}  // namespace

LayerRef RMSNormalization(RMSNormalizationOptions options) {
  return make_layer<RMSNormalizationLayer>(std::move(options));
}

void describe(Config& config, RMSNormalizationOptions& options) {
  config.axes("axis", options.axis, AxesForm::kList);
  config.number("epsilon", options.epsilon);
}

}  // namespace lamina::layers

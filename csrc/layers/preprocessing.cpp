// Rescaling, Normalization.
#include <algorithm>
#include <cmath>

#include "layers/access.h"
#include "layers/adaptable.h"
#include "layers/arguments.h"
#include "layers/axes.h"
#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"
#include "layers/moments.h"

namespace lamina::layers {
namespace {

/// `array` repeated to the sizes of `shape` (of equal or higher rank), or nothing when it does not
/// fit.
std::optional<std::vector<double>> broadcast(const ArrayLike& array, const Shape& shape) {
  const Variable::Initializer expand = Initializer(initializers::Constant{array}).bind();
  try {
    const Tensor values = expand(shape, DType::kFloat64);
    const auto elements = values.data<double>();
    return std::vector<double>(elements.begin(), elements.end());
  } catch (const ValueError&) {
    return std::nullopt;
  }
}

class RescalingLayer final : public LibraryLayer<RescalingOptions> {
 public:
  explicit RescalingLayer(RescalingOptions options)
      : LibraryLayer("Rescaling", std::move(options)) {
    if (!options_.scale.given || !options_.offset.given) fail("You must pass a `scale` argument.");
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override { return inputs; }
  [[nodiscard]] bool supports_masking() const override { return true; }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const ValueId x = computable(builder, inputs.at(0));
    const ArrayLike &scale = options_.scale, &offset = options_.offset;
    const std::size_t rank = std::max(scale.shape.rank(), offset.shape.rank());
    if (rank == 0) {
      return {builder.activation(
          x, {ops::Unary::kScaleShift, rounded(scale.values, compute_dtype()).at(0),
              rounded(offset.values, compute_dtype()).at(0)})};
    }
    const Shape& in = builder.shape(x);
    if (rank > in.rank()) unfit(in);
    std::vector<std::size_t> kept;  // the last axes
    Shape sizes;
    for (std::size_t i = in.rank() - rank; i < in.rank(); ++i) {
      kept.push_back(i);
      sizes.push_back(in.dims()[i]);
    }
    auto scales = broadcast(scale, sizes), offsets = broadcast(offset, sizes);
    if (!scales || !offsets) unfit(in);
    const DType dtype = statistics_dtype(compute_dtype());
    ColumnAffine affine;
    affine.scale = constant_param(rounded(*scales, compute_dtype()), dtype);
    affine.offset = constant_param(rounded(*offsets, compute_dtype()), dtype);
    return {column_affine(builder, x, kept, std::move(affine))};
  }

 private:
  [[noreturn]] void unfit(const Shape& input) const {
    fail("`scale` of shape " + options_.scale.shape.str() + " and `offset` of shape " +
         options_.offset.shape.str() + " do not broadcast to the input shape " + input.str() + ".");
  }
};

class NormalizationLayer final : public LibraryLayer<NormalizationOptions>, public Adaptable {
 public:
  explicit NormalizationLayer(NormalizationOptions options)
      : LibraryLayer("Normalization", std::move(options)) {
    const ArrayLike &mean = options_.mean, &variance = options_.variance;
    if (mean.given != variance.given) {
      fail("When setting values directly, both `mean` and `variance` must be set.");
    }
    if (mean.shape != variance.shape) {
      fail(
          "When setting values directly, `mean` and `variance` must have the same shape. Received: "
          "mean shape " +
          mean.shape.str() + " and variance shape " + variance.shape.str());
    }
    if (mean.shape.rank() > options_.axis.values.size()) {
      fail("The rank of `mean` must be less than or equal to the number of axes (" +
           std::to_string(options_.axis.values.size()) + "). Received: mean shape " +
           mean.shape.str());
    }
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override { return inputs; }
  [[nodiscard]] bool supports_masking() const override { return true; }

  // Keras leaves `count` as it is.
  void adapt(const NextBatch& next) override {
    if (options_.mean.given) {
      fail(
          "Cannot `adapt` a Normalization layer that is initialized with static `mean` and "
          "`variance`.");
    }
    std::optional<Tensor> batch = next();
    if (!batch) {
      fail(
          "adapt() received an empty iterable (no batches). Expected at least one batch. Pass a "
          "non-empty iterable of arrays or tensors.");
    }
    build({batch->shape()});
    Moments moments;
    for (; batch; batch = next()) {
      check_kept(batch->shape());
      moments.merge(moments_of(*batch, kept_));
    }
    if (moments.count == 0) fail("adapt() received no elements.");
    const auto assign = [](Variable& variable, const std::vector<double>& values) {
      variable.assign(Tensor::from(values, variable.shape()));
    };
    assign(*mean_, moments.mean);
    assign(*variance_, moments.variance);
  }

 protected:
  void on_build(const Shapes& inputs) override {
    const Shape& in = inputs.at(0);
    kept_.clear();  // a build may have failed before
    for (const std::int64_t axis : options_.axis.values) kept_.push_back(axis_index(in, axis));
    std::sort(kept_.begin(), kept_.end());
    Shape sizes;
    for (const std::size_t axis : kept_) {
      if (in.dims()[axis] == kNone) {
        fail("All `axis` values to be kept must have a known shape. Received inputs.shape=" +
             in.str() + ", with unknown axis at index " + std::to_string(axis));
      }
      sizes.push_back(in.dims()[axis]);
      input_spec_.axes[static_cast<std::int64_t>(axis)] = in.dims()[axis];
    }
    if (!kept_.empty()) input_spec_.ndim = in.rank();  // else any is as good
    if (options_.mean.given) {
      take_given(sizes);
      return;
    }
    mean_ = add_weight("mean", sizes, Initializer("zeros").bind(), false);
    variance_ = add_weight("variance", sizes, Initializer("ones").bind(), false);
    (void)add_weight("count", {}, Initializer("zeros").bind(), false, DType::kInt32);
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const ValueId x = computable(builder, inputs.at(0));
    ColumnAffine affine;
    if (options_.invert) {
      affine.scale = statistic(false, [](double variance) { return deviation(variance); });
      affine.offset = statistic(true, [](double mean) { return mean; });
    } else {
      affine.mean = statistic(true, [](double mean) { return mean; });
      affine.variance = statistic(
          false, [](double variance) { return deviation(variance) * deviation(variance); });
    }
    return {column_affine(builder, x, kept_, std::move(affine))};
  }

 private:
  static double deviation(double variance) { return std::max(std::sqrt(variance), kEpsilon); }

  /// Of data: the kept axes are those that the layer was built with.
  void check_kept(const Shape& data) const {
    bool same = kept_.empty() || data.rank() == *input_spec_.ndim;
    for (std::size_t i = 0; same && i < kept_.size(); ++i) {
      same = data.dims()[kept_[i]] == mean_->shape().dims()[i];
    }
    if (same) return;
    fail("The layer was built with input_shape=" + Access::build_shapes(*this).at(0).str() +
         ", but adapt() is being called with data with an incompatible shape, data.shape=" +
         data.str());
  }

  void take_given(const Shape& sizes) {
    auto mean = broadcast(options_.mean, sizes), variance = broadcast(options_.variance, sizes);
    if (!mean || !variance) {
      fail("`mean` and `variance` of shape " + options_.mean.shape.str() +
           " do not broadcast to the kept axes " + sizes.str() + ".");
    }
    given_mean_ = std::move(*mean);
    given_variance_ = std::move(*variance);
  }

  // The mean or the variance, each element mapped; follows its variable where there is one.
  template <class Map>
  [[nodiscard]] graph::Param statistic(bool mean, Map map) const {
    const DType dtype = statistics_dtype(compute_dtype()), narrow = compute_dtype();
    const VariablePtr variable = mean ? mean_ : variance_;
    const auto mapped = [map, dtype, narrow](const std::vector<double>& values) {
      std::vector<double> result = rounded(values, narrow);  // Keras casts first
      for (double& value : result) value = map(value);
      return Tensor::from<double>(result, {static_cast<std::int64_t>(result.size())}).cast(dtype);
    };
    if (!variable) {
      return {{}, [mapped, given = mean ? given_mean_ : given_variance_] { return mapped(given); }};
    }
    return {{variable}, [variable, mapped] {
              const Tensor values = graph::host_value(*variable, DType::kFloat64);
              const auto elements = values.data<double>();
              return mapped({elements.begin(), elements.end()});
            }};
  }

  std::vector<std::size_t> kept_;
  VariablePtr mean_, variance_;
  std::vector<double> given_mean_, given_variance_;
};

}  // namespace

LayerRef Rescaling(RescalingOptions options) {
  return make_layer<RescalingLayer>(std::move(options));
}

LayerRef Normalization(NormalizationOptions options) {
  return make_layer<NormalizationLayer>(std::move(options));
}

void describe(Config& config, RescalingOptions& options) {
  config.array("scale", options.scale);
  config.array("offset", options.offset);
}

void describe(Config& config, NormalizationOptions& options) {
  config.axes("axis", options.axis, AxesForm::kListFromNull);
  config.array("mean", options.mean);
  config.array("variance", options.variance);
  config.boolean("invert", options.invert);
}

}  // namespace lamina::layers

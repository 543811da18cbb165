#include <algorithm>
#include <cmath>
#include <limits>

#include "layers/activation_function.h"
#include "layers/axes.h"
#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"
#include "layers/masks.h"

namespace lamina::layers {
namespace {

/// Activation, ReLU, LeakyReLU, ELU and Softmax: one function, no variables.
template <class Options>
class FunctionLayer : public LibraryLayer<Options> {
 public:
  /// `problem`: what is wrong with the options, if anything is.
  FunctionLayer(std::string class_name, Options options, ActivationFunction function,
                const std::string& problem)
      : LibraryLayer<Options>(std::move(class_name), std::move(options)),
        function_(std::move(function)) {
    if (!problem.empty()) this->fail(problem);
    this->checked([&] { check_activation(function_); });
    this->built_ = true;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    if (!is_elementwise(function_)) {
      for (const double axis : function_.parameters) {
        (void)this->axis_index(inputs.at(0), static_cast<std::int64_t>(axis));
      }
    }
    return inputs;
  }
  [[nodiscard]] bool supports_masking() const override { return true; }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    return {lower_activation(builder, this->computable(builder, inputs.at(0)), function_)};
  }

 private:
  ActivationFunction function_;
};

template <class Options>
LayerRef function_layer(const char* class_name, Options options, ActivationFunction function,
                        const std::string& problem = {}) {
  return make_layer<FunctionLayer<Options>>(class_name, std::move(options), std::move(function),
                                            problem);
}

class SoftmaxLayer final : public FunctionLayer<SoftmaxOptions> {
 public:
  using FunctionLayer::FunctionLayer;

  [[nodiscard]] CallSignature call_signature() const override { return {.tensors = {"mask"}}; }

 protected:
  [[nodiscard]] Ids on_lower_call(Builder& builder, const Ids& inputs,
                                  const CallValues& call) override {
    const std::optional<ValueId> mask = call.tensor("mask");
    if (!mask) return on_lower(builder, inputs);
    const ValueId x = computable(builder, inputs.at(0));
    require_broadcasts(builder.shape(*mask), builder.shape(x));
    const double masked = builder.dtype(x) == DType::kFloat16 ? -3e4 : -1e9;
    const ValueId seen = chosen(builder, *mask);
    const Ids y = on_lower(builder, {where(builder, seen, x, masked)});
    return {kept(builder, y.at(0), seen)};  // nothing, where everything is masked
  }

 private:
  /// Of a mask that is not bool what is greater than a half.
  static ValueId chosen(Builder& builder, ValueId mask) {
    if (builder.dtype(mask) == DType::kBool) return mask;
    if (!is_floating(builder.dtype(mask))) mask = builder.cast(mask, DType::kFloat64);
    mask = builder.activation(mask, {ops::Unary::kScaleShift, 1, -0.5});
    return builder.activation(mask, ops::relu());
  }
  void require_broadcasts(const Shape& mask, const Shape& inputs) const {
    const std::string received =
        " Received: inputs.shape=" + inputs.str() + ", mask.shape=" + mask.str();
    if (mask.rank() > inputs.rank()) {
      fail("The `mask` must be broadcastable to `inputs` and must not have more dimensions." +
           received);
    }
    for (std::size_t i = 1; i <= mask.rank(); ++i) {
      const std::int64_t dim = mask.dims()[mask.rank() - i];
      if (dim == 1 || dim == inputs.dims()[inputs.rank() - i]) continue;
      fail(
          "The `mask` must be broadcastable to `inputs`. Each mask dimension must be 1 or match "
          "the "
          "corresponding input dimension." +
          received);
    }
  }
};

// Empty when `value` is not negative (nor NaN).
std::string negative(const char* option, double value) {
  if (value >= 0) return {};
  return std::string(option) + " of a ReLU layer cannot be a negative value. Received: " + option +
         "=" + std::to_string(value);
}

class PReLULayer final : public LibraryLayer<PReLUOptions> {
 public:
  explicit PReLULayer(PReLUOptions options) : LibraryLayer("PReLU", std::move(options)) {}

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override { return inputs; }
  [[nodiscard]] bool supports_masking() const override { return true; }

 protected:
  void on_build(const Shapes& inputs) override {
    const Shape& in = inputs.at(0);
    Shape shape(std::vector<std::int64_t>(in.begin() + 1, in.end()));
    for (const std::int64_t axis : options_.shared_axes.values) {
      if (axis < 1 || axis >= static_cast<std::int64_t>(in.rank())) {
        fail("`shared_axes` has an axis out of range for input shape " + in.str() +
             ". Received: " + std::to_string(axis));
      }
      shape[axis - 1] = 1;
    }
    input_spec_.ndim = in.rank();
    for (std::size_t i = 1; i < in.rank(); ++i) {
      if (shape.dims()[i - 1] != 1) input_spec_.axes[static_cast<std::int64_t>(i)] = in.dims()[i];
    }
    alpha_ = add_weight("alpha", std::move(shape), options_.alpha_initializer.bind(),
                        {options_.alpha_regularizer, options_.alpha_constraint});
  }

  // relu(x) + alpha * -relu(-x)
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const ValueId x = computable(builder, inputs.at(0));
    const ops::Activation negate{ops::Unary::kScaleShift, -1, 0};
    const ValueId positive = builder.activation(x, ops::relu());
    const ValueId negative =
        builder.activation(builder.activation(builder.activation(x, negate), ops::relu()), negate);
    std::vector<std::size_t> kept;  // axes along which alpha varies
    for (std::size_t i = 0; i < alpha_->shape().rank(); ++i) {
      if (alpha_->shape().dims()[i] != 1) kept.push_back(i + 1);
    }
    ColumnAffine affine;
    affine.scale =
        graph::Param::of(alpha_, statistics_dtype(compute_dtype()), {alpha_->shape().size()});
    return {builder.binary(ops::Binary::kAdd, positive,
                           column_affine(builder, negative, kept, std::move(affine)))};
  }

 private:
  VariablePtr alpha_;
};

}  // namespace

LayerRef Activation(ActivationOptions options) {
  ActivationFunction function = options.activation;
  return function_layer("Activation", std::move(options), std::move(function));
}

LayerRef ReLU(ReLUOptions options) {
  const double max_value = options.max_value.value_or(std::numeric_limits<double>::infinity());
  const auto function =
      ActivationFunction::relu(options.negative_slope, max_value, options.threshold);
  const std::string problem = negative("max_value", max_value) +
                              negative("negative_slope", options.negative_slope) +
                              negative("threshold", options.threshold);
  return function_layer("ReLU", std::move(options), function, problem);
}

LayerRef LeakyReLU(LeakyReLUOptions options) {
  const auto function = ActivationFunction::leaky_relu(options.negative_slope);
  const std::string problem =
      options.negative_slope >= 0
          ? ""
          : "The negative_slope value of a Leaky ReLU layer cannot be None or negative value. "
            "Expected a float. Received: negative_slope=" +
                std::to_string(options.negative_slope);
  return function_layer("LeakyReLU", std::move(options), function, problem);
}

LayerRef ELU(ELUOptions options) {
  const auto function = ActivationFunction::elu(options.alpha);
  return function_layer("ELU", std::move(options), function);
}

LayerRef Softmax(SoftmaxOptions options) {
  const auto function = ActivationFunction::softmax(options.axis);
  return make_layer<SoftmaxLayer>("Softmax", std::move(options), function, std::string());
}

LayerRef PReLU(PReLUOptions options) {
  return make_layer<PReLULayer>(std::move(options));
}

void describe(Config& config, ActivationOptions& options) {
  config.activation("activation", options.activation);
}

void describe(Config& config, ReLUOptions& options) {
  config.optional_number("max_value", options.max_value);
  config.number("negative_slope", options.negative_slope);
  config.number("threshold", options.threshold);
}

void describe(Config& config, LeakyReLUOptions& options) {
  config.number("negative_slope", options.negative_slope);
}

void describe(Config& config, ELUOptions& options) {
  config.number("alpha", options.alpha);
}

void describe(Config& config, SoftmaxOptions& options) {
  if (options.axis.values.empty()) options.axis = -1;
  config.axes("axis", options.axis, AxesForm::kOneOrList);
}

void describe(Config& config, PReLUOptions& options) {
  config.weights(
      {{"alpha", options.alpha_initializer, options.alpha_regularizer, options.alpha_constraint}});
  config.axes("shared_axes", options.shared_axes, AxesForm::kListOrNull);
}

}  // namespace lamina::layers

#include <cmath>

#include "layers/axes.h"
#include "layers/config/registered_layers.h"
#include "layers/data_format.h"
#include "layers/library_layer.h"
#include "layers/masks.h"

namespace lamina::layers {
namespace {

/// What those that drop have in common.
template <class Options>
class DroppingLayer : public MovingLayer<Options> {
 public:
  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override { return inputs; }
  [[nodiscard]] bool supports_masking() const override { return true; }

 protected:
  DroppingLayer(const char* class_name, Options options)
      : MovingLayer<Options>(class_name, std::move(options)) {
    const double rate = this->options_.rate;
    if (!(rate >= 0 && rate <= 1)) {
      this->fail(
          "Invalid value received for argument `rate`. Expected a float value between 0 and 1. "
          "Received: rate=" +
          std::to_string(rate));
    }
    this->built_ = true;
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    if (!builder.training() || this->options_.rate == 0) return inputs;
    return {dropped(builder, inputs.at(0))};
  }
  [[nodiscard]] virtual ValueId dropped(Builder& builder, ValueId x) const = 0;

  /// Ones, of which some are dropped and the others scaled.
  [[nodiscard]] ValueId noise(Builder& builder, const ops::TensorSpec& spec) const {
    return builder.dropout(filled(builder, spec, 1), this->options_.rate);
  }

  void check_noise_shape(const OptionalShape& given) const {
    if (!given.value) return;
    const Shape& noise = *given.value;
    for (std::size_t i = 0; i < noise.rank(); ++i) {
      if (noise.dims()[i] > 0 || noise.dims()[i] == kNone) continue;
      this->fail(
          "Invalid value received for argument `noise_shape`. Expected all dimensions to be "
          "positive integers or None. Received negative or zero value at index " +
          std::to_string(i) + ": " + std::to_string(noise.dims()[i]));
    }
  }
  /// Of an input of this shape.
  [[nodiscard]] Shape noise_shape(const Shape& given, const Shape& input) const {
    std::vector<std::int64_t> dims = given.dims();
    bool fits = dims.size() <= input.rank();
    for (std::size_t i = 0; fits && i < dims.size(); ++i) {
      const std::int64_t size = input.dims()[input.rank() - dims.size() + i];
      if (dims[i] == kNone) dims[i] = size;
      fits = dims[i] == 1 || dims[i] == size;
    }
    if (!fits) {
      this->fail("`noise_shape` " + given.str() + " does not broadcast to the input shape " +
                 input.str() + ".");
    }
    return Shape(std::move(dims));
  }
};

class DropoutLayer final : public DroppingLayer<DropoutOptions> {
 public:
  explicit DropoutLayer(DropoutOptions options) : DroppingLayer("Dropout", std::move(options)) {
    check_noise_shape(options_.noise_shape);
  }

 private:
  [[nodiscard]] ValueId dropped(Builder& builder, ValueId x) const override {
    const std::optional<Shape>& given = options_.noise_shape.value;
    if (!given) return builder.dropout(x, options_.rate);
    const Shape shape = noise_shape(*given, builder.shape(x));
    return builder.binary(ops::Binary::kMultiply, x, noise(builder, {shape, builder.dtype(x)}));
  }
};

/// Drops what lies along all axes but the batch and `channels_axis` at once.
template <class Options>
class SpatialDropoutLayer final : public DroppingLayer<Options> {
 public:
  SpatialDropoutLayer(const char* class_name, Options options, std::size_t rank,
                      std::size_t channels_axis)
      : DroppingLayer<Options>(class_name, std::move(options)), channels_axis_(channels_axis) {
    if constexpr (requires { this->options_.data_format; }) {
      this->checked([&] { check_data_format(this->options_.data_format); });
    }
    this->input_spec_.ndim = rank;
  }

 private:
  [[nodiscard]] ValueId dropped(Builder& builder, ValueId x) const override {
    ops::TensorSpec spec = builder.spec(x);
    std::vector<std::int64_t> dims = spec.shape.dims();
    for (std::size_t i = 1; i < dims.size(); ++i) {
      if (i != channels_axis_) dims[i] = 1;
    }
    spec.shape = Shape(std::move(dims));
    return builder.binary(ops::Binary::kMultiply, x, this->noise(builder, spec));
  }

  std::size_t channels_axis_;
};

class AlphaDropoutLayer final : public DroppingLayer<AlphaDropoutOptions> {
 public:
  explicit AlphaDropoutLayer(AlphaDropoutOptions options)
      : DroppingLayer("AlphaDropout", std::move(options)) {
    check_noise_shape(options_.noise_shape);
  }

 private:
  // a * x + b where x is kept, a * limit + b elsewhere.
  [[nodiscard]] ValueId dropped(Builder& builder, ValueId x) const override {
    constexpr double kLimit =
        -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946;
    const double rate = options_.rate;
    if (rate == 1) fail("A `rate` of 1 leaves nothing whose variance could stay.");
    const double a = 1 / std::sqrt((1 - rate) * (1 + rate * kLimit * kLimit));
    const double b = -a * kLimit * rate;
    ops::TensorSpec spec = builder.spec(x);
    if (const auto& given = options_.noise_shape.value)
      spec.shape = noise_shape(*given, spec.shape);
    const ValueId kept = mask_numbers(builder, noise(builder, spec), spec.dtype);
    const ValueId scaled = builder.activation(x, {ops::Unary::kScaleShift, a, 0});
    const ValueId rest =
        builder.activation(kept, {ops::Unary::kScaleShift, -a * kLimit, a * kLimit + b});
    return builder.binary(ops::Binary::kAdd, builder.binary(ops::Binary::kKeep, scaled, kept),
                          rest);
  }
};

}  // namespace

LayerRef Dropout(DropoutOptions options) {
  return make_layer<DropoutLayer>(std::move(options));
}

LayerRef SpatialDropout1D(SpatialDropout1DOptions options) {
  return make_layer<SpatialDropoutLayer<SpatialDropout1DOptions>>("SpatialDropout1D",
                                                                  std::move(options), 3, 2);
}

LayerRef SpatialDropout2D(SpatialDropout2DOptions options) {
  const std::size_t channels_axis = options.data_format == kChannelsFirst ? 1 : 3;
  return make_layer<SpatialDropoutLayer<SpatialDropout2DOptions>>(
      "SpatialDropout2D", std::move(options), 4, channels_axis);
}

LayerRef SpatialDropout3D(SpatialDropout3DOptions options) {
  const std::size_t channels_axis = options.data_format == kChannelsFirst ? 1 : 4;
  return make_layer<SpatialDropoutLayer<SpatialDropout3DOptions>>(
      "SpatialDropout3D", std::move(options), 5, channels_axis);
}

LayerRef AlphaDropout(AlphaDropoutOptions options) {
  return make_layer<AlphaDropoutLayer>(std::move(options));
}

void describe(Config& config, DropoutOptions& options) {
  config.required({"rate"});
  config.unused("seed", nullptr);
  config.number("rate", options.rate);
  config.optional_shape("noise_shape", options.noise_shape);
}

namespace {
// Keras writes no more of these than what their constructors take, `dtype` as a name.
template <class Options>
void describe_spatial(Config& config, Options& options) {
  config.required({"rate"});
  config.unused("seed", nullptr);
  config.number("rate", options.rate);
  config.dtype(options.dtype);
}
}  // namespace

void describe(Config& config, SpatialDropout1DOptions& options) {
  describe_spatial(config, options);
}

void describe(Config& config, SpatialDropout2DOptions& options) {
  describe_spatial(config, options);
  config.data_format(options.data_format);
}

void describe(Config& config, SpatialDropout3DOptions& options) {
  describe_spatial(config, options);
  config.data_format(options.data_format);
}

void describe(Config& config, AlphaDropoutOptions& options) {
  config.required({"rate"});
  config.unused("seed", nullptr);
  config.number("rate", options.rate);
  config.optional_shape("noise_shape", options.noise_shape);
}

}  // namespace lamina::layers

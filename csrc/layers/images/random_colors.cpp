// RandomBrightness, RandomContrast.
#include "layers/config/registered_layers.h"
#include "layers/images/random_layer.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {
namespace {

ValueId clipped(Builder& builder, ValueId x, double low, double high) {
  const auto bound = [&](double value) { return constant(builder, value, builder.dtype(x)); };
  return builder.binary(ops::Binary::kMinimum, builder.binary(ops::Binary::kMaximum, x, bound(low)),
                        bound(high));
}

/// Draws a factor for each image, and keeps to `value_range`.
template <class Options>
class ColorLayer : public RandomImageLayer<Options> {
 public:
  /// The factor as Keras keeps it.
  [[nodiscard]] Options current_options() const override {
    Options options = RandomImageLayer<Options>::current_options();
    options.factor = {range_.low, range_.high};
    return options;
  }

 protected:
  ColorLayer(const char* class_name, Options options, Range bounds)
      : RandomImageLayer<Options>(class_name, std::move(options)),
        range_(this->checked([&] { return range_of_factor(this->options_.factor, bounds); })) {
    const ArrayLike& range = this->options_.value_range;
    if (range.given && range.shape == Shape{2}) return;
    this->fail(
        "The `value_range` argument should be a list of two numbers. Received: value_range=" +
        in_words(range));
  }

  Range range_;
};

class RandomBrightnessLayer final : public ColorLayer<RandomBrightnessOptions> {
 public:
  explicit RandomBrightnessLayer(RandomBrightnessOptions options)
      : ColorLayer("RandomBrightness", with_factor(std::move(options)), {-1, 1}),
        values_(sorted_range(options_.value_range)) {}

  [[nodiscard]] RandomBrightnessOptions current_options() const override {
    RandomBrightnessOptions options = ColorLayer::current_options();
    options.value_range = {values_.low, values_.high};
    return options;
  }

 private:
  /// None is 0, in Keras too.
  static RandomBrightnessOptions with_factor(RandomBrightnessOptions options) {
    if (!options.factor.given) options.factor = 0.0;
    return options;
  }
  [[nodiscard]] ValueId changed(Builder& builder, ValueId images) const override {
    const ValueId share = drawn(builder, images, DType::kFloat32, range_);
    const ValueId added =
        builder.activation(share, {ops::Unary::kScaleShift, values_.high - values_.low, 0});
    const ValueId y =
        builder.binary(ops::Binary::kAdd, images, builder.cast(added, builder.dtype(images)));
    return clipped(builder, y, values_.low, values_.high);
  }

  Range values_;
};

class RandomContrastLayer final : public ColorLayer<RandomContrastOptions> {
 public:
  explicit RandomContrastLayer(RandomContrastOptions options)
      : ColorLayer("RandomContrast", std::move(options), {0, 1}) {}

 private:
  [[nodiscard]] ValueId changed(Builder& builder, ValueId images) const override {
    const ops::TensorSpec spec = builder.spec(images);
    const ValueId factor = drawn(builder, images, spec.dtype, {1 - range_.low, 1 + range_.high});
    const ValueId mean =
        builder.emit(ops::Reduce{ops::Reduce::Kind::kMean,
                                 spec,
                                 {{spec.shape[0], 1, 1, spec.shape[3]}, spec.dtype},
                                 {1, 2}},
                     {images});
    const ValueId distance = builder.binary(ops::Binary::kSubtract, images, mean);
    const ValueId scaled = builder.binary(ops::Binary::kMultiply, distance, factor);
    const std::vector<double>& values = options_.value_range.values;
    return clipped(builder, builder.binary(ops::Binary::kAdd, scaled, mean), values[0], values[1]);
  }
};

}  // namespace

LayerRef RandomBrightness(RandomBrightnessOptions options) {
  return make_layer<RandomBrightnessLayer>(std::move(options));
}

LayerRef RandomContrast(RandomContrastOptions options) {
  return make_layer<RandomContrastLayer>(std::move(options));
}

void describe(Config& config, RandomBrightnessOptions& options) {
  config.required({"factor"});
  config.array("factor", options.factor);
  config.array("value_range", options.value_range);
  describe_random(config, options);
}

void describe(Config& config, RandomContrastOptions& options) {
  config.required({"factor"});
  config.array("factor", options.factor);
  config.array("value_range", options.value_range);
  describe_random(config, options);
}

}  // namespace lamina::layers

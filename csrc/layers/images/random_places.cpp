// RandomFlip, RandomTranslation, RandomRotation, RandomZoom.
#include <cmath>
#include <numbers>

#include "layers/axes.h"
#include "layers/config/registered_layers.h"
#include "layers/images/affine.h"
#include "layers/images/random_layer.h"
#include "layers/masks.h"
#include "layers/operations/parts.h"

namespace lamina::layers {
namespace {

ValueId scaled(Builder& builder, ValueId x, double scale, double shift = 0) {
  return builder.activation(x, {ops::Unary::kScaleShift, scale, shift});
}

class RandomFlipLayer final : public RandomImageLayer<RandomFlipOptions> {
 public:
  explicit RandomFlipLayer(RandomFlipOptions options)
      : RandomImageLayer("RandomFlip", std::move(options)) {
    const std::string& mode = options_.mode;
    const bool both = mode == "horizontal_and_vertical";
    horizontal_ = both || mode == "horizontal";
    vertical_ = both || mode == "vertical";
    if (!horizontal_ && !vertical_) {
      fail(
          "The `mode` argument should be 'horizontal', 'vertical' or 'horizontal_and_vertical'. "
          "Received: mode=" +
          mode);
    }
  }

 private:
  // One draw for both directions, as in Keras.
  [[nodiscard]] ValueId changed(Builder& builder, ValueId images) const override {
    ValueId turned = images;
    if (horizontal_) turned = flipped(builder, turned, 2);
    if (vertical_) turned = flipped(builder, turned, 1);
    const ops::TensorSpec one{{builder.shape(images)[0], 1, 1, 1}, DType::kFloat32};
    const ValueId chosen = builder.dropout(filled(builder, one, 1), 0.5);
    return builder.binary(ops::Binary::kAdd, kept(builder, turned, chosen),
                          kept(builder, images, logical_not(builder, chosen)));
  }

  bool horizontal_ = false, vertical_ = false;
};

/// Takes each place from another one.
template <class Options>
class AffineLayer : public RandomImageLayer<Options> {
 protected:
  AffineLayer(const char* class_name, Options options)
      : RandomImageLayer<Options>(class_name, std::move(options)) {
    const std::string& mode = this->options_.fill_mode;
    if (mode != "reflect" && mode != "wrap" && mode != "constant" && mode != "nearest") {
      this->fail("Unknown `fill_mode` " + mode +
                 ". Expected of one ('reflect', 'wrap', 'constant', 'nearest').");
    }
    const std::string& interpolation = this->options_.interpolation;
    if (interpolation != "nearest" && interpolation != "bilinear") {
      this->fail("Unknown `interpolation` " + interpolation +
                 ". Expected of one ('nearest', 'bilinear').");
    }
  }

  [[nodiscard]] ValueId transformed(Builder& builder, ValueId images, const AffineAxis& rows,
                                    const AffineAxis& columns) const {
    const Shape& shape = builder.shape(images);
    if (shape.size() == 0) return images;
    const Sampling sampling{this->options_.interpolation == "bilinear", this->options_.fill_mode,
                            this->options_.fill_value};
    return affine_transform(builder, images, rows, columns, sampling);
  }
  [[nodiscard]] static ValueId share(Builder& builder, ValueId images, Range range) {
    return RandomImageLayer<Options>::drawn(builder, images, DType::kFloat32, range);
  }

  /// Of an option in [-1, 1], or in (-1, 1].
  [[nodiscard]] Range range_of(const char* option, const ArrayLike& factor, const char* about,
                               bool above) const {
    if (!is_range(factor)) {
      this->fail(std::string(about) + "Received: " + option + "=" + in_words(factor));
    }
    for (const double value : factor.values) {
      if (value <= 1 && (above ? value > -1 : value >= -1)) continue;
      this->fail(std::string(about) + "Received: input_number=" + std::to_string(value));
    }
    if (factor.values.size() == 2) return sorted_range(factor);
    const double size = std::abs(factor.values[0]);
    return {-size, size};
  }
};

class RandomTranslationLayer final : public AffineLayer<RandomTranslationOptions> {
 public:
  explicit RandomTranslationLayer(RandomTranslationOptions options)
      : AffineLayer("RandomTranslation", std::move(options)),
        down_(range_of("height_factor", options_.height_factor, kAbout, false)),
        across_(range_of("width_factor", options_.width_factor, kAbout, false)) {}

 private:
  static constexpr const char* kAbout =
      "The `factor` argument should be a number (or a list of two numbers) in the range [-1.0, "
      "1.0]. ";

  [[nodiscard]] ValueId changed(Builder& builder, ValueId images) const override {
    const auto moved = [&](Range range, std::int64_t axis) {
      const auto size = static_cast<double>(builder.shape(images)[axis]);
      return AffineAxis{{}, {}, scaled(builder, share(builder, images, range), -size)};
    };
    const AffineAxis rows = moved(down_, 1);
    return transformed(builder, images, rows, moved(across_, 2));
  }

  Range down_, across_;
};

class RandomRotationLayer final : public AffineLayer<RandomRotationOptions> {
 public:
  explicit RandomRotationLayer(RandomRotationOptions options)
      : AffineLayer("RandomRotation", with_factor(std::move(options))), range_(checked([&] {
          return range_of_factor(options_.factor, {-1, 1});
        })) {}

  /// The factor as Keras keeps it.
  [[nodiscard]] RandomRotationOptions current_options() const override {
    RandomRotationOptions options = AffineLayer::current_options();
    options.factor = {range_.low, range_.high};
    return options;
  }

 private:
  /// None is 0, in Keras too.
  static RandomRotationOptions with_factor(RandomRotationOptions options) {
    if (!options.factor.given) options.factor = 0.0;
    return options;
  }
  [[nodiscard]] ValueId changed(Builder& builder, ValueId images) const override {
    const ValueId degrees = share(builder, images, {range_.low * 360, range_.high * 360});
    const ValueId angle = scaled(builder, degrees, std::numbers::pi / 180);
    const ValueId cos = builder.activation(angle, {ops::Unary::kCos});
    const ValueId sin = builder.activation(angle, {ops::Unary::kSin});
    const ValueId back = scaled(builder, sin, -1);
    const Shape& shape = builder.shape(images);
    const double y = 0.5 * static_cast<double>(shape[1] - 1);
    const double x = 0.5 * static_cast<double>(shape[2] - 1);
    // What leaves the middle where it is: c - c * scale - (the other's c) * shear.
    const auto about = [&](double own, double other, ValueId shear) {
      const ValueId offset = builder.binary(ops::Binary::kSubtract, scaled(builder, cos, -own, own),
                                            scaled(builder, shear, other));
      return AffineAxis{cos, shear, offset};
    };
    const AffineAxis rows = about(y, x, sin);
    return transformed(builder, images, rows, about(x, y, back));
  }

  Range range_;
};

class RandomZoomLayer final : public AffineLayer<RandomZoomOptions> {
 public:
  explicit RandomZoomLayer(RandomZoomOptions options)
      : AffineLayer("RandomZoom", std::move(options)),
        down_(range_of("height_factor", options_.height_factor, kAbout, true)) {
    if (options_.width_factor.given) {
      across_ = range_of("width_factor", options_.width_factor, kAbout, true);
    }
  }

 private:
  static constexpr const char* kAbout =
      "The `height_factor` and `width_factor` arguments should be a number (or a list of two "
      "numbers) in the range (-1.0, 1.0]. ";

  [[nodiscard]] ValueId changed(Builder& builder, ValueId images) const override {
    const auto zoom = [&](Range range) {
      return share(builder, images, {1 + range.low, 1 + range.high});
    };
    const auto about_middle = [&](ValueId scale, std::int64_t axis) {
      const double middle = 0.5 * static_cast<double>(builder.shape(images)[axis] - 1);
      return AffineAxis{scale, {}, scaled(builder, scale, -middle, middle)};
    };
    const ValueId down = zoom(down_);
    const ValueId across = across_ ? zoom(*across_) : down;
    const AffineAxis rows = about_middle(down, 1);
    return transformed(builder, images, rows, about_middle(across, 2));
  }

  Range down_;
  std::optional<Range> across_;
};

template <class Options>
void describe_sampling(Config& config, Options& options) {
  config.string("fill_mode", options.fill_mode);
  config.string("interpolation", options.interpolation);
  config.number("fill_value", options.fill_value);
  describe_random(config, options);
}

}  // namespace

LayerRef RandomFlip(RandomFlipOptions options) {
  return make_layer<RandomFlipLayer>(std::move(options));
}

LayerRef RandomTranslation(RandomTranslationOptions options) {
  return make_layer<RandomTranslationLayer>(std::move(options));
}

LayerRef RandomRotation(RandomRotationOptions options) {
  return make_layer<RandomRotationLayer>(std::move(options));
}

LayerRef RandomZoom(RandomZoomOptions options) {
  return make_layer<RandomZoomLayer>(std::move(options));
}

void describe(Config& config, RandomFlipOptions& options) {
  config.string("mode", options.mode);
  describe_random(config, options);
}

void describe(Config& config, RandomTranslationOptions& options) {
  config.required({"height_factor", "width_factor"});
  config.array("height_factor", options.height_factor);
  config.array("width_factor", options.width_factor);
  describe_sampling(config, options);
}

void describe(Config& config, RandomRotationOptions& options) {
  config.required({"factor"});
  config.array("factor", options.factor);
  describe_sampling(config, options);
}

void describe(Config& config, RandomZoomOptions& options) {
  config.required({"height_factor"});
  config.array("height_factor", options.height_factor);
  config.array("width_factor", options.width_factor);
  describe_sampling(config, options);
}

}  // namespace lamina::layers

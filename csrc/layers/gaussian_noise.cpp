#include <cmath>

#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

/// Adds noise in training, or multiplies by it.
template <class Options>
class GaussianLayer : public MovingLayer<Options> {
 public:
  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override { return inputs; }
  [[nodiscard]] bool supports_masking() const override { return true; }

 protected:
  /// `strength` is the option of that name.
  GaussianLayer(const char* class_name, Options options, const char* option,
                double Options::*strength)
      : MovingLayer<Options>(class_name, std::move(options)), strength_(strength) {
    const double value = this->options_.*strength;
    if (!(value >= 0 && value <= 1)) {
      this->fail(std::string("Invalid value received for argument `")
                     .append(option)
                     .append("`. Expected a float value between 0 and 1. Received: ")
                     .append(option)
                     .append("=")
                     .append(std::to_string(value)));
    }
    this->built_ = true;
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    if (!builder.training() || this->options_.*strength_ == 0) return inputs;
    return {noisy(builder, inputs.at(0))};
  }
  [[nodiscard]] virtual ValueId noisy(Builder& builder, ValueId x) const = 0;

 private:
  double Options::*strength_;
};

class GaussianNoiseLayer final : public GaussianLayer<GaussianNoiseOptions> {
 public:
  explicit GaussianNoiseLayer(GaussianNoiseOptions options)
      : GaussianLayer("GaussianNoise", std::move(options), "stddev",
                      &GaussianNoiseOptions::stddev) {}

 private:
  [[nodiscard]] ValueId noisy(Builder& builder, ValueId x) const override {
    return builder.noise(x, ops::Noise::Kind::kAdded, options_.stddev);
  }
};

class GaussianDropoutLayer final : public GaussianLayer<GaussianDropoutOptions> {
 public:
  explicit GaussianDropoutLayer(GaussianDropoutOptions options)
      : GaussianLayer("GaussianDropout", std::move(options), "rate",
                      &GaussianDropoutOptions::rate) {}

 private:
  [[nodiscard]] ValueId noisy(Builder& builder, ValueId x) const override {
    const double rate = options_.rate;
    if (rate == 1) fail("A `rate` of 1 asks for noise without bounds.");
    return builder.noise(x, ops::Noise::Kind::kFactor, std::sqrt(rate / (1 - rate)));
  }
};

}  // namespace

LayerRef GaussianNoise(GaussianNoiseOptions options) {
  return make_layer<GaussianNoiseLayer>(std::move(options));
}

LayerRef GaussianDropout(GaussianDropoutOptions options) {
  return make_layer<GaussianDropoutLayer>(std::move(options));
}

void describe(Config& config, GaussianNoiseOptions& options) {
  config.required({"stddev"});
  config.unused("seed", nullptr);
  config.number("stddev", options.stddev);
}

void describe(Config& config, GaussianDropoutOptions& options) {
  config.required({"rate"});
  config.unused("seed", nullptr);
  config.number("rate", options.rate);
}

}  // namespace lamina::layers

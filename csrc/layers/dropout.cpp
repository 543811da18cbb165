#include "layers/declarations.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

class DropoutLayer final : public MovingLayer<DropoutOptions> {
 public:
  explicit DropoutLayer(DropoutOptions options) : MovingLayer("Dropout", std::move(options)) {
    if (!(options_.rate >= 0 && options_.rate <= 1)) {
      fail(
          "Invalid value received for argument `rate`. Expected a float value between 0 and 1. "
          "Received: rate=" +
          std::to_string(options_.rate));
    }
    built_ = true;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override { return inputs; }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    if (!builder.training() || options_.rate == 0) return inputs;
    return {builder.dropout(inputs.at(0), options_.rate)};
  }
};

}  // namespace

LayerRef Dropout(DropoutOptions options) {
  return make_layer<DropoutLayer>(std::move(options));
}

template <>
DropoutOptions from_config(ConfigReader& config) {
  config.ignore({"seed", "noise_shape"});
  return config.common(DropoutOptions{.rate = config.number("rate", 0.5)});
}

}  // namespace lamina::layers

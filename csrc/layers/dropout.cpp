#include "layers/axes.h"
#include "layers/config/registered_layers.h"
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
    if (options_.noise_shape.value) check_noise_shape(*options_.noise_shape.value);
    built_ = true;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override { return inputs; }
  [[nodiscard]] bool supports_masking() const override { return true; }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    if (!builder.training() || options_.rate == 0) return inputs;
    const ValueId x = inputs.at(0);
    if (!options_.noise_shape.value) return {builder.dropout(x, options_.rate)};
    // Ones that are dropped, and what they then keep.
    const ops::TensorSpec noise{noise_shape(builder.shape(x)), builder.dtype(x)};
    graph::Param ones = constant_param(
        std::vector<double>(static_cast<std::size_t>(noise.shape.size()), 1), noise.dtype);
    ones.value = [value = ones.value, shape = noise.shape] { return value().reshape(shape); };
    const ValueId mask = builder.emit(ops::ParamValue{noise}, {}, {std::move(ones)});
    return {builder.binary(ops::Binary::kMultiply, x, builder.dropout(mask, options_.rate))};
  }

 private:
  void check_noise_shape(const Shape& noise) const {
    for (std::size_t i = 0; i < noise.rank(); ++i) {
      if (noise.dims()[i] > 0 || noise.dims()[i] == kNone) continue;
      fail(
          "Invalid value received for argument `noise_shape`. Expected all dimensions to be "
          "positive integers or None. Received negative or zero value at index " +
          std::to_string(i) + ": " + std::to_string(noise.dims()[i]));
    }
  }

  [[nodiscard]] Shape noise_shape(const Shape& input) const {
    std::vector<std::int64_t> dims = options_.noise_shape.value->dims();
    bool fits = dims.size() <= input.rank();
    for (std::size_t i = 0; fits && i < dims.size(); ++i) {
      const std::int64_t size = input.dims()[input.rank() - dims.size() + i];
      if (dims[i] == kNone) dims[i] = size;
      fits = dims[i] == 1 || dims[i] == size;
    }
    if (!fits) {
      fail("`noise_shape` " + options_.noise_shape.value->str() +
           " does not broadcast to the input shape " + input.str() + ".");
    }
    return Shape(std::move(dims));
  }
};

}  // namespace

LayerRef Dropout(DropoutOptions options) {
  return make_layer<DropoutLayer>(std::move(options));
}

void describe(Config& config, DropoutOptions& options) {
  config.required({"rate"});
  config.unused("seed", nullptr);
  config.number("rate", options.rate);
  config.optional_shape("noise_shape", options.noise_shape);
}

}  // namespace lamina::layers

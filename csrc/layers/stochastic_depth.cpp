#include "layers/axes.h"
#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

class StochasticDepthLayer final : public MovingLayer<StochasticDepthOptions> {
 public:
  explicit StochasticDepthLayer(StochasticDepthOptions options)
      : MovingLayer("StochasticDepth", std::move(options)) {
    const double rate = options_.drop_path_rate;
    if (!(rate >= 0 && rate <= 1)) {
      fail(
          "Invalid value received for argument `drop_path_rate`. Expected a float value between 0 "
          "and 1. Received: drop_path_rate=" +
          std::to_string(rate));
    }
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override { return inputs; }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const double rate = options_.drop_path_rate;
    if (!builder.training() || rate == 0) return inputs;
    ops::TensorSpec sample = builder.spec(inputs.at(0));
    std::vector<std::int64_t> dims(sample.shape.rank(), 1);
    dims.at(0) = sample.shape.dims()[0];
    sample.shape = Shape(std::move(dims));
    const ValueId factors = builder.dropout(filled(builder, sample, 1), rate);
    return {builder.binary(ops::Binary::kMultiply, inputs[0], factors)};
  }
};

}  // namespace

LayerRef StochasticDepth(StochasticDepthOptions options) {
  return make_layer<StochasticDepthLayer>(std::move(options));
}

void describe(Config& config, StochasticDepthOptions& options) {
  config.required({"drop_path_rate"});
  config.number("drop_path_rate", options.drop_path_rate);
}

}  // namespace lamina::layers

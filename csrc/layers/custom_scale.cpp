#include "layers/arguments.h"
#include "layers/axes.h"
#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

class CustomScale final : public LibraryLayer<CustomScaleLayerOptions> {
 public:
  explicit CustomScale(CustomScaleLayerOptions options)
      : LibraryLayer("CustomScaleLayer", std::move(options)) {
    input_spec_.count = 2;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    const Shape &x = inputs.at(0), &y = inputs.at(1);
    if (x.rank() != y.rank()) mismatch(inputs);
    Shape out = x;
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(out.rank()); ++i) {
      if (x[i] == 1 || (x[i] == kNone && y[i] != 1)) {
        out[i] = y[i];
      } else if (y[i] != 1 && y[i] != kNone && x[i] != y[i]) {
        mismatch(inputs);
      }
    }
    return {out};
  }

 protected:
  void on_build(const Shapes& inputs) override { (void)compute_output_shape(inputs); }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const ValueId scaled =
        builder.activation(computable(builder, inputs.at(1)),
                           rounded({ops::Unary::kScaleShift, options_.scale, 0}, compute_dtype()));
    return {builder.binary(ops::Binary::kAdd, computable(builder, inputs.at(0)), scaled)};
  }

 private:
  [[noreturn]] void mismatch(const Shapes& inputs) const {
    fail("Inputs have incompatible shapes. Received shapes " + in_list(inputs));
  }
};

}  // namespace

LayerRef CustomScaleLayer(CustomScaleLayerOptions options) {
  return make_layer<CustomScale>(std::move(options));
}

void describe(Config& config, CustomScaleLayerOptions& options) {
  config.required({"scale"});
  config.number("scale", options.scale);
}

}  // namespace lamina::layers

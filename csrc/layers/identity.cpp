// Layers that give what they are given.
#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

template <class Options>
class PassingLayer : public MovingLayer<Options> {
 public:
  PassingLayer(const char* class_name, Options options)
      : MovingLayer<Options>(class_name, std::move(options)) {
    this->built_ = true;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override { return inputs; }
  [[nodiscard]] bool supports_masking() const override { return true; }

 protected:
  [[nodiscard]] Ids on_lower(Builder&, const Ids& inputs) override { return inputs; }
};

}  // namespace

LayerRef Identity(IdentityOptions options) {
  return make_layer<PassingLayer<IdentityOptions>>("Identity", std::move(options));
}

LayerRef ActivityRegularization(ActivityRegularizationOptions options) {
  const double l1 = options.l1, l2 = options.l2;
  const LayerRef layer = make_layer<PassingLayer<ActivityRegularizationOptions>>(
      "ActivityRegularization", std::move(options));
  layer->set_activity_regularizer(regularizers::L1L2{l1, l2});
  return layer;
}

void describe(Config&, IdentityOptions&) {}

void describe(Config& config, ActivityRegularizationOptions& options) {
  config.number("l1", options.l1);
  config.number("l2", options.l2);
}

}  // namespace lamina::layers

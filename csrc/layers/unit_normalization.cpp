#include "layers/config/registered_layers.h"
#include "layers/l2_normalized.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

class UnitNormalizationLayer final : public LibraryLayer<UnitNormalizationOptions> {
 public:
  explicit UnitNormalizationLayer(UnitNormalizationOptions options)
      : LibraryLayer("UnitNormalization", std::move(options)) {
    if (options_.axis.values.empty()) {
      fail(
          "Invalid value for `axis` argument: expected an int or a list/tuple of ints. Received: "
          "axis=[]");
    }
    built_ = true;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    (void)axis_indices(inputs.at(0), options_.axis.values);
    return inputs;
  }
  [[nodiscard]] bool supports_masking() const override { return true; }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const ValueId x = computable(builder, inputs.at(0));
    return {l2_normalized(builder, x, axis_indices(builder.shape(x), options_.axis.values), 1e-12)};
  }
};

}  // namespace

LayerRef UnitNormalization(UnitNormalizationOptions options) {
  return make_layer<UnitNormalizationLayer>(std::move(options));
}

void describe(Config& config, UnitNormalizationOptions& options) {
  config.axes("axis", options.axis, AxesForm::kOneOrList);
}

}  // namespace lamina::layers

#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"
#include "layers/masks.h"

namespace lamina::layers {
namespace {

class MaskingLayer final : public MovingLayer<MaskingOptions> {
 public:
  explicit MaskingLayer(MaskingOptions options) : MovingLayer("Masking", std::move(options)) {
    input_spec_.min_ndim = 1;
    built_ = true;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override { return inputs; }
  [[nodiscard]] bool supports_masking() const override { return true; }

 protected:
  [[nodiscard]] Masks compute_mask(Builder& builder, const Ids& inputs, const Masks&) override {
    return {differs(builder, inputs.at(0), false)};
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    return {kept(builder, inputs.at(0), differs(builder, inputs[0], true))};
  }

 private:
  /// Where anything of the last axis is not the mask's value.
  [[nodiscard]] ValueId differs(Builder& builder, ValueId x, bool keepdims) const {
    return any(builder, not_equal(builder, x, options_.mask_value), {builder.shape(x).rank() - 1},
               keepdims);
  }
};

}  // namespace

LayerRef Masking(MaskingOptions options) {
  return make_layer<MaskingLayer>(std::move(options));
}

void describe(Config& config, MaskingOptions& options) {
  config.number("mask_value", options.mask_value);
}

}  // namespace lamina::layers

#include <lamina/losses.h>

#include "training/losses/rows.h"

namespace lamina::losses {

LossPtr BinaryFocalCrossentropy(BinaryFocalCrossentropyOptions options) {
  require_smoothing("BinaryFocalCrossentropy", options.label_smoothing);
  return described(
      "BinaryFocalCrossentropy", options,
      mean_over_row(named(options.name, "binary_focal_crossentropy"), options.reduction,
                    kernels::BinaryFocalEntropy{options.apply_class_balancing, options.from_logits,
                                                static_cast<float>(options.alpha),
                                                static_cast<float>(options.gamma),
                                                static_cast<float>(options.label_smoothing)}));
}

LossPtr CategoricalFocalCrossentropy(CategoricalFocalCrossentropyOptions options) {
  require_smoothing("CategoricalFocalCrossentropy", options.label_smoothing);
  return described(
      "CategoricalFocalCrossentropy", options,
      loss_of(named(options.name, "categorical_focal_crossentropy"), options.reduction,
              kernels::CategoricalFocalEntropy{
                  options.from_logits, static_cast<float>(options.alpha),
                  static_cast<float>(options.gamma), static_cast<float>(options.label_smoothing)}));
}

}  // namespace lamina::losses

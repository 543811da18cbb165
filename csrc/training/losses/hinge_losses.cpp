#include <lamina/losses.h>

#include <algorithm>

#include "training/losses/rows.h"

namespace lamina::losses {
namespace {

/// Labels of 0 and 1 become -1 and 1, where all are 0 or 1 (Keras's
/// convert_binary_labels_to_hinge).
Tensor hinge_labels(const Tensor& y_true) {
  const auto given = y_true.data<float>();
  const auto is_binary = [](float y) { return y == 0 || y == 1; };
  if (!std::all_of(given.begin(), given.end(), is_binary)) return y_true;
  Tensor signs = Tensor::empty(y_true.shape());
  std::transform(given.begin(), given.end(), signs.data<float>().begin(),
                 [](float y) { return 2.0F * y - 1.0F; });
  return signs;
}

/// Of labels that are -1 or 1.
template <class F>
class HingeLoss : public LossOf<kernels::MeanOfRow<F>> {
 public:
  HingeLoss(std::string name, Reduction reduction)
      : LossOf<kernels::MeanOfRow<F>>(std::move(name), reduction, {}) {}

 protected:
  Tensor prepared(const Tensor& y_true) const override { return hinge_labels(y_true); }
};

}  // namespace

LossPtr Hinge(LossOptions options) {
  return described("Hinge", options,
                   std::make_shared<HingeLoss<kernels::HingeError>>(named(options.name, "hinge"),
                                                                    options.reduction));
}

LossPtr SquaredHinge(LossOptions options) {
  return described("SquaredHinge", options,
                   std::make_shared<HingeLoss<kernels::SquaredHingeError>>(
                       named(options.name, "squared_hinge"), options.reduction));
}

LossPtr CategoricalHinge(LossOptions options) {
  return described("CategoricalHinge", options,
                   loss_of(named(options.name, "categorical_hinge"), options.reduction,
                           kernels::CategoricalHingeOfRow{}));
}

}  // namespace lamina::losses

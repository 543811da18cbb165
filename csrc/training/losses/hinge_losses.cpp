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

/// The mean of f(1 - y p) over the last axis; f also gives its derivative.
template <class F>
class HingeLoss : public MeanOverRow<F> {
 public:
  using MeanOverRow<F>::MeanOverRow;

 protected:
  Tensor prepared(const Tensor& y_true) const override { return hinge_labels(y_true); }
};

template <class F>
LossPtr hinge(std::string name, Reduction reduction, F f) {
  return std::make_shared<HingeLoss<F>>(std::move(name), reduction, f);
}

class CategoricalHingeLoss : public Loss {
 public:
  explicit CategoricalHingeLoss(const LossOptions& options)
      : Loss(named(options.name, "categorical_hinge"), options.reduction) {}

 protected:
  float row(Row y_true, Row y_pred, Slope gradient) const override {
    float right = 0, wrong = 0, greatest = 0;  // greatest: how many are `wrong`
    for (std::size_t i = 0; i < y_pred.size(); ++i) {
      right += y_true[i] * y_pred[i];
      const float other = (1.0F - y_true[i]) * y_pred[i];
      if (i == 0 || other > wrong) {
        wrong = other;
        greatest = 0;
      }
      if (other == wrong) ++greatest;
    }
    const float loss = std::max(wrong - right + 1.0F, 0.0F);
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      const float other = 1.0F - y_true[i];
      const float share = other * y_pred[i] == wrong ? other / greatest : 0.0F;  // as JAX has it
      gradient[i] = loss == 0 ? 0.0F : -y_true[i] + share;
    }
    return loss;
  }
};

}  // namespace

LossPtr Hinge(LossOptions options) {
  return described(
      "Hinge", options,
      hinge(named(options.name, "hinge"), options.reduction, [](float y, float p, float& slope) {
        const float short_of = 1.0F - y * p;
        slope = short_of <= 0 ? 0.0F : -y;
        return std::max(short_of, 0.0F);
      }));
}

LossPtr SquaredHinge(LossOptions options) {
  return described("SquaredHinge", options,
                   hinge(named(options.name, "squared_hinge"), options.reduction,
                         [](float y, float p, float& slope) {
                           const float short_of = std::max(1.0F - y * p, 0.0F);
                           slope = -2.0F * y * short_of;
                           return short_of * short_of;
                         }));
}

LossPtr CategoricalHinge(LossOptions options) {
  return described("CategoricalHinge", options, std::make_shared<CategoricalHingeLoss>(options));
}

}  // namespace lamina::losses

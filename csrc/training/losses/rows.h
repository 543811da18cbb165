#pragma once
#include <lamina/losses.h>

#include <memory>
#include <span>
#include <string>
#include <utility>

#include "kernels/row_losses.h"
#include "training/described/description.h"
#include "training/losses/keras_defaults.h"

// What the losses are written with.
namespace lamina::losses {

using Row = std::span<const float>;
using Slope = std::span<float>;

using training::described;
using training::named;

static_assert(kernels::kLossEpsilon == static_cast<float>(training::kEpsilon));

/// A loss of Keras's: what a row loses is a functor of kernels/row_losses.h, by which devices
/// compute gradients as well.
class KernelLoss : public Loss {
 public:
  [[nodiscard]] virtual kernels::RowLoss kernel() const = 0;
  /// Whether `ignored` may hold of any label.
  [[nodiscard]] virtual bool ignores() const { return false; }

 protected:
  KernelLoss(std::string name, Reduction reduction) : Loss(std::move(name), reduction) {}
};

template <class F>
class LossOf : public KernelLoss {
 public:
  LossOf(std::string name, Reduction reduction, F f)
      : KernelLoss(std::move(name), reduction), f_(f) {}
  [[nodiscard]] kernels::RowLoss kernel() const override { return f_; }

 protected:
  float row(Row y_true, Row y_pred, Slope gradient) const override {
    return f_(of(y_true), of(y_pred), of(gradient));
  }

 private:
  template <class T>
  static kernels::NumbersOfRow<T> of(std::span<T> numbers) {
    return {numbers.data(), static_cast<std::int64_t>(numbers.size())};
  }

  F f_;
};

template <class F>
[[nodiscard]] LossPtr loss_of(std::string name, Reduction reduction, F f) {
  return std::make_shared<LossOf<F>>(std::move(name), reduction, f);
}

/// The mean over the last axis of what elements lose by themselves.
template <class F>
[[nodiscard]] LossPtr mean_over_row(std::string name, Reduction reduction, F f) {
  return loss_of(std::move(name), reduction, kernels::MeanOfRow<F>{f});
}

/// Throws ValueError for a `label_smoothing` that is not in [0, 1].
void require_smoothing(const char* loss, double smoothing);

}  // namespace lamina::losses

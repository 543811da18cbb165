#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/losses.h>

#include <cmath>

#include "training/losses/labels.h"
#include "training/losses/rows.h"

namespace lamina::losses {
namespace {

/// Of class numbers, one a row.
template <class F>
class SparseLoss : public LossOf<F> {
 public:
  SparseLoss(std::string name, Reduction reduction, F f,
             std::optional<std::int64_t> ignore_class = {})
      : LossOf<F>(std::move(name), reduction, f), ignore_class_(ignore_class) {}
  [[nodiscard]] bool ignores() const override { return ignore_class_.has_value(); }

 protected:
  std::int64_t labels(std::int64_t) const override { return 1; }
  bool ignored(Row y_true) const override {
    return ignore_class_ && y_true[0] == static_cast<float>(*ignore_class_);
  }
  void check_labels(Row y_true, std::int64_t classes) const override {
    for (std::size_t i = 0; i < y_true.size(); ++i) {
      const float label = y_true[i];
      const bool fits =
          label >= 0 && label < static_cast<float>(classes) && label == std::floor(label);
      if (fits || ignored(y_true.subspan(i, 1))) continue;
      throw training::LabelError(this->name(), label, i, classes);
    }
  }

 private:
  std::optional<std::int64_t> ignore_class_;
};

}  // namespace

LossPtr MeanSquaredError(LossOptions options) {
  return described("MeanSquaredError", options,
                   mean_over_row(named(options.name, "mean_squared_error"), options.reduction,
                                 kernels::SquaredError{}));
}

LossPtr MeanAbsoluteError(LossOptions options) {
  return described("MeanAbsoluteError", options,
                   mean_over_row(named(options.name, "mean_absolute_error"), options.reduction,
                                 kernels::AbsoluteError{}));
}

LossPtr Huber(HuberOptions options) {
  return described("Huber", options,
                   mean_over_row(named(options.name, "huber_loss"), options.reduction,
                                 kernels::HuberError{static_cast<float>(options.delta)}));
}

LossPtr BinaryCrossentropy(BinaryCrossentropyOptions options) {
  require_smoothing("BinaryCrossentropy", options.label_smoothing);
  const auto smoothing = static_cast<float>(options.label_smoothing);
  std::string name = named(options.name, "binary_crossentropy");
  return described("BinaryCrossentropy", options,
                   options.from_logits ? mean_over_row(std::move(name), options.reduction,
                                                       kernels::BinaryEntropyOfLogits{smoothing})
                                       : mean_over_row(std::move(name), options.reduction,
                                                       kernels::BinaryEntropy{smoothing}));
}

LossPtr CategoricalCrossentropy(CategoricalCrossentropyOptions options) {
  require_smoothing("CategoricalCrossentropy", options.label_smoothing);
  return described("CategoricalCrossentropy", options,
                   loss_of(named(options.name, "categorical_crossentropy"), options.reduction,
                           kernels::CategoricalEntropy{
                               options.from_logits, static_cast<float>(options.label_smoothing)}));
}

LossPtr SparseCategoricalCrossentropy(SparseCategoricalCrossentropyOptions options) {
  return described("SparseCategoricalCrossentropy", options,
                   std::make_shared<SparseLoss<kernels::SparseEntropy>>(
                       named(options.name, "sparse_categorical_crossentropy"), options.reduction,
                       kernels::SparseEntropy{options.from_logits}, options.ignore_class));
}

LossPtr CategoricalGeneralizedCrossEntropy(CategoricalGeneralizedCrossEntropyOptions options) {
  if (!(options.q > 0 && options.q < 1)) {
    throw ValueError(
        fmt::format("q must be in the interval (0, 1). Received: q={} for the loss "
                    "CategoricalGeneralizedCrossEntropy.",
                    options.q));
  }
  return described(
      "CategoricalGeneralizedCrossEntropy", options,
      std::make_shared<SparseLoss<kernels::GeneralizedEntropy>>(
          named(options.name, "categorical_generalized_cross_entropy"), options.reduction,
          kernels::GeneralizedEntropy{static_cast<float>(options.q)}));
}

}  // namespace lamina::losses

#include <lamina/losses.h>

#include <cmath>

#include "training/losses/labels.h"
#include "training/losses/rows.h"

namespace lamina::losses {
namespace {

class SparseCategoricalCrossentropyLoss : public LossOf<kernels::SparseEntropy> {
 public:
  explicit SparseCategoricalCrossentropyLoss(const SparseCategoricalCrossentropyOptions& options)
      : LossOf(named(options.name, "sparse_categorical_crossentropy"), options.reduction,
               {options.from_logits}),
        ignore_class_(options.ignore_class) {}
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
      throw training::LabelError(name(), label, i, classes);
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
                   std::make_shared<SparseCategoricalCrossentropyLoss>(options));
}

}  // namespace lamina::losses

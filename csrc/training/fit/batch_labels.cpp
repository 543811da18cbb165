#include "training/fit/batch_labels.h"

#include <utility>

#include "training/losses/rows.h"

namespace lamina::training {

std::size_t BatchLabels::put(Tensor array) {
  arrays_.push_back(std::move(array));
  return arrays_.size() - 1;
}

void BatchLabels::add(const Loss& loss, const Tensor& y_true, const Tensor& sample_weight,
                      const Shape& predictions, const std::optional<Shape>& mask) {
  Output output{&loss, {loss, y_true, predictions}, {}, {}, {}, mask.has_value()};
  LossRows& rows = output.rows;
  if (mask) rows.expect_mask(loss, *mask);
  rows.weigh(sample_weight);
  output.y_true = put(rows.y_true);
  if (rows.shared() && !mask) {
    output.weights = put(Tensor::from(std::vector<float>{rows.weight(0)}, {1}));
  } else if (!rows.weights.empty()) {
    output.weights = put(Tensor::from(rows.weights, {rows.shares.size()}));
  }
  if (dynamic_cast<const losses::KernelLoss&>(loss).ignores() && (mask || !rows.shared())) {
    output.counts = put(Tensor::from(rows.counts, {rows.shares.size()}));
  }
  outputs_.push_back(std::move(output));
}

float BatchLabels::value(std::size_t output, const Tensor& y_pred, const Tensor& mask) {
  const Loss& loss = *outputs_[output].loss;
  LossRows& rows = outputs_[output].rows;
  if (mask.defined()) rows.leave_out(loss, mask);
  return rows.loss_of(loss, y_pred);
}

}  // namespace lamina::training

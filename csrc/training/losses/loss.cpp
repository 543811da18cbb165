#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/losses.h>

#include <algorithm>
#include <vector>

#include "core/denormals.h"
#include "core/parallel_ranges.h"
#include "kernels/losses.h"
#include "training/losses/loss_rows.h"

namespace lamina {
namespace {

/// Labels and predictions as float32 rows.
class Rows {
 public:
  Rows(const training::LossRows& all, const Tensor& predictions)
      : all_(all), predicted_(all.by_row(predictions.reshape(all.y_pred).cast(DType::kFloat32))) {}

  template <class T>
  static std::span<T> of(std::span<T> all, std::size_t row, std::int64_t width) {
    const auto size = static_cast<std::size_t>(width);
    return all.subspan(row * size, size);
  }
  [[nodiscard]] std::span<const float> truth(std::size_t row) const {
    return of(all_.y_true.data<float>(), row, all_.labels);
  }
  [[nodiscard]] std::span<const float> prediction(std::size_t row) const {
    return of(predicted_.data<float>(), row, all_.classes);
  }
  /// Calls f(row) for each, in parallel.
  template <class F>
  void for_each(const F& f) const {
    const core::FlushDenormals flush;
    core::parallel_ranges(all_.shape.size(), all_.classes * 8,
                          [&](std::int64_t begin, std::int64_t end) {
                            for (std::int64_t i = begin; i < end; ++i) {
                              f(static_cast<std::size_t>(i));
                            }
                          });
  }

 private:
  const training::LossRows& all_;
  const Tensor predicted_;
};

training::LossRows rows_of(const Loss& loss, const Tensor& y_true, const Tensor& y_pred) {
  if (y_true.defined() && !y_pred.defined()) {
    throw ValueError(fmt::format("Loss '{}': `y_pred` is undefined.", loss.name()));
  }
  return {loss, y_true, y_pred.shape()};
}

}  // namespace

float Loss::operator()(const Tensor& y_true, const Tensor& y_pred, const Tensor& sample_weight,
                       const Tensor& mask) const {
  return compute(y_true, y_pred, sample_weight, mask, {}).value;
}

LossResult Loss::value_and_gradient(const Tensor& y_true, const Tensor& y_pred,
                                    const Tensor& sample_weight, double scale,
                                    const Tensor& mask) const {
  return compute(y_true, y_pred, sample_weight, mask, scale);
}

RowLosses Loss::row_losses(const Tensor& y_true, const Tensor& y_pred) const {
  return losses_of(rows_of(*this, y_true, y_pred), y_pred);
}

RowLosses Loss::losses_of(const training::LossRows& all, const Tensor& y_pred) const {
  const Rows rows(all, y_pred);
  RowLosses out{Tensor::zeros(all.shape), Tensor::zeros(all.shape)};
  const std::span<float> values = out.values.data<float>(), counts = out.counts.data<float>();
  rows.for_each([&](std::size_t i) {
    if (all.counts[i] == 0) return;
    values[i] = row_of(all, rows.truth(i), rows.prediction(i), {});
    counts[i] = 1;
  });
  return out;
}

LossResult Loss::compute(const Tensor& y_true, const Tensor& y_pred, const Tensor& sample_weight,
                         const Tensor& mask, std::optional<double> gradient_scale) const {
  training::LossRows rows = rows_of(*this, y_true, y_pred);
  if (mask.defined()) rows.leave_out(*this, mask);
  rows.weigh(sample_weight);
  return reduced(rows, y_pred, gradient_scale);
}

LossResult Loss::reduced(const training::LossRows& all, const Tensor& y_pred,
                         std::optional<double> gradient_scale) const {
  const bool with_gradient = gradient_scale.has_value();
  const Rows rows(all, y_pred);
  const float divisor = all.divisor(reduction_);
  const kernels::LossWeighting weighting{divisor, static_cast<float>(gradient_scale.value_or(1))};

  Tensor gradient = with_gradient ? Tensor::empty(all.y_pred) : Tensor();
  std::vector<float> losses(static_cast<std::size_t>(all.shape.size()), 0.0F);
  rows.for_each([&](std::size_t i) {
    std::span<float> slope;
    if (with_gradient) slope = Rows::of(gradient.data<float>(), i, all.classes);
    if (!all.counted(i) || divisor == 0) {
      std::fill(slope.begin(), slope.end(), 0.0F);
      return;
    }
    const float weight = all.weight(i);
    losses[i] = row_of(all, rows.truth(i), rows.prediction(i), slope) * weight;
    for (float& x : slope) x = weighting(x, weight);
  });
  LossResult result;
  result.value = training::LossRows::reduced(losses, divisor);
  if (with_gradient) {
    result.gradient = all.in_place(gradient).reshape(y_pred.shape()).cast(y_pred.dtype());
  }
  return result;
}

}  // namespace lamina

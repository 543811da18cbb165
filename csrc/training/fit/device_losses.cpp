#include "training/fit/device_losses.h"

#include <utility>

#include "training/losses/labels.h"
#include "training/losses/loss_rows.h"
#include "training/losses/rows.h"

namespace lamina::training {
namespace {

const losses::KernelLoss* kernel_loss(const Loss& loss) {
  return dynamic_cast<const losses::KernelLoss*>(&loss);
}

/// Addresses on the device.
template <class T>
const T* numbers_of(std::span<const Tensor> arrays, const std::optional<std::size_t>& at) {
  return at ? static_cast<const T*>(arrays[*at].raw()) : nullptr;
}

}  // namespace

bool DeviceLosses::computes(const Loss& loss, DType predictions) {
  return kernel_loss(loss) != nullptr && is_floating(predictions);
}

void DeviceLosses::begin() {
  added_.clear();
  arrays_.clear();
}

std::size_t DeviceLosses::put(Tensor array) {
  arrays_.push_back(std::move(array));
  return arrays_.size() - 1;
}

void DeviceLosses::add(const Loss& loss, const Tensor& y_true, const Tensor& sample_weight,
                       const Shape& predictions, double scale) {
  const losses::KernelLoss& of_keras = *kernel_loss(loss);
  const LossRows rows(loss, y_true, predictions);
  std::vector<float> weights;
  if (sample_weight.defined()) weights = row_weights(sample_weight, rows.shape);
  Added added{of_keras.kernel(), {}, {}, {}, {}};
  added.batch.rows = rows.shape.size();
  added.batch.classes = rows.classes;
  added.batch.labels = rows.labels;
  added.batch.weighting = {rows.divisor(loss.reduction(), weights), static_cast<float>(scale)};
  const Shape one_a_row{added.batch.rows};
  added.y_true = put(rows.y_true);
  if (sample_weight.defined()) added.weights = put(Tensor::from(weights, one_a_row));
  if (of_keras.ignores()) added.counts = put(Tensor::from(rows.counts, one_a_row));
  added_.push_back(added);
}

void DeviceLosses::compute(std::span<const Tensor> arrays, std::span<const Tensor> predictions,
                           std::vector<Tensor> gradients) {
  for (std::size_t i = 0; i < added_.size(); ++i) {
    const Added& added = added_[i];
    Tensor& gradient = gradients[i];
    if (gradient.size() == 0) continue;  // a launch of nothing is an error
    const bool wide_enough = gradient.dtype() == DType::kFloat32;
    kernels::LossGradientJob job{added.loss, added.batch};
    job.batch.y_true = numbers_of<float>(arrays, added.y_true);
    job.batch.weights = numbers_of<float>(arrays, added.weights);
    job.batch.counts = numbers_of<std::uint8_t>(arrays, added.counts);
    job.batch.y_pred = as_float(predictions[i]);
    job.batch.gradient = wide_enough ? static_cast<float*>(gradient.raw())
                                     : room(slopes_, gradient.size(), device());
    runner_.run(job);
    if (wide_enough) continue;
    runner_.run(kernels::CastJob{DType::kFloat32, gradient.dtype(), slopes_.raw(), gradient.raw(),
                                 gradient.size()});
  }
}

const float* DeviceLosses::as_float(const Tensor& numbers) {
  if (numbers.dtype() == DType::kFloat32) return static_cast<const float*>(numbers.raw());
  float* const out = room(predictions_, numbers.size(), device());
  runner_.run(
      kernels::CastJob{numbers.dtype(), DType::kFloat32, numbers.raw(), out, numbers.size()});
  return out;
}

float* DeviceLosses::room(Tensor& kept, std::int64_t size, Device device) {
  if (!kept.defined() || kept.size() < size) kept = Tensor::empty({size}, DType::kFloat32, device);
  return static_cast<float*>(kept.raw());
}

}  // namespace lamina::training

#include "training/fit/device_losses.h"

#include "training/losses/rows.h"

namespace lamina::training {
namespace {

const losses::KernelLoss* kernel_loss(const Loss& loss) {
  return dynamic_cast<const losses::KernelLoss*>(&loss);
}

/// Addresses on the device.
template <class T>
const T* numbers_of(std::span<const Tensor> arrays, const BatchLabels::Place& at) {
  return at ? static_cast<const T*>(arrays[*at].raw()) : nullptr;
}

/// Without predictions, gradients and what is known of masks.
kernels::LossBatch batch_of(const BatchLabels::Output& output, std::span<const Tensor> arrays,
                            double scale) {
  kernels::LossBatch batch{};
  batch.rows = output.rows.shape.size();
  batch.classes = output.rows.classes;
  batch.labels = output.rows.labels;
  batch.y_true = numbers_of<float>(arrays, output.y_true);
  batch.weights = numbers_of<float>(arrays, output.weights);
  batch.counts = numbers_of<std::uint8_t>(arrays, output.counts);
  batch.weighting = {output.rows.divisor(output.loss->reduction()), static_cast<float>(scale)};
  return batch;
}

}  // namespace

bool DeviceLosses::computes(const Loss& loss, DType predictions) {
  return kernel_loss(loss) != nullptr && is_floating(predictions);
}

void DeviceLosses::compute(const BatchLabels& labels, const Batch& batch,
                           std::span<const double> scales, std::vector<Tensor> gradients) {
  const std::vector<BatchLabels::Output>& outputs = labels.outputs();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const BatchLabels::Output& output = outputs[i];
    Tensor& gradient = gradients[i];
    if (gradient.size() == 0) continue;  // a launch of nothing is an error
    kernels::LossBatch of_output = batch_of(output, batch.arrays, scales[i]);
    const Reduction reduction = output.loss->reduction();
    if (output.masked) {
      of_output.mask = static_cast<const bool*>(batch.masks[i].raw());
      if (reduction != Reduction::kSum) {  // how many rows there are the device alone knows
        const bool by_weight = reduction == Reduction::kMeanWithSampleWeight;
        float* const divisor =
            room(divisors_, static_cast<std::int64_t>(outputs.size()), device()) + i;
        runner_.run(kernels::LossDivisorJob{of_output, by_weight, divisor});
        of_output.divisor = divisor;
      }
    }
    const bool wide_enough = gradient.dtype() == DType::kFloat32;
    of_output.y_pred = as_float(batch.predictions[i]);
    of_output.gradient = wide_enough ? static_cast<float*>(gradient.raw())
                                     : room(slopes_, gradient.size(), device());
    runner_.run(kernels::LossGradientJob{kernel_loss(*output.loss)->kernel(), of_output});
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

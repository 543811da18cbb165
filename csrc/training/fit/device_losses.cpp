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

kernels::CopyJob copy(const float* x, const kernels::Layout& from, float* y,
                      const kernels::Layout& to, std::int64_t size) {
  return {sizeof(float), x, y, from, to, size};
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
    const LossRows& rows = output.rows;
    Tensor& gradient = gradients[i];
    const std::int64_t size = gradient.size();
    if (size == 0) continue;  // a launch of nothing is an error
    kernels::LossBatch of_output = batch_of(output, batch.arrays, scales[i]);
    if (output.masked) {
      float* const sums = room(sums_, 2 * static_cast<std::int64_t>(outputs.size()), device());
      apply_mask(output, static_cast<const bool*>(batch.masks[i].raw()), of_output, sums + 2 * i);
    }
    const bool wide_enough = gradient.dtype() == DType::kFloat32;
    float* const slopes =
        wide_enough ? static_cast<float*>(gradient.raw()) : room(slopes_, size, device());
    of_output.y_pred = by_row(rows, as_float(batch.predictions[i]));
    of_output.gradient = rows.in_order ? slopes : room(slopes_of_rows_, size, device());
    runner_.run(kernels::LossGradientJob{kernel_loss(*output.loss)->kernel(), of_output});
    if (!rows.in_order) {
      runner_.run(
          copy(of_output.gradient, kernels::Layout::dense(size), slopes, rows.places, size));
    }
    if (wide_enough) continue;
    runner_.run(kernels::CastJob{DType::kFloat32, gradient.dtype(), slopes, gradient.raw(), size});
  }
}

void DeviceLosses::apply_mask(const BatchLabels::Output& output, const bool* mask,
                              kernels::LossBatch& batch, float* sums) const {
  using Kind = kernels::LossDivisorJob::Kind;
  const LossRows& rows = output.rows;
  const Reduction reduction = output.loss->reduction();
  const bool is_sum = reduction == Reduction::kSum;
  kernels::LossBatch shares = batch;
  shares.rows = rows.shares.size();
  shares.mask = mask;
  if (!is_sum || rows.shared()) {  // how many there are, if any, the device alone knows
    const Kind kind = rows.divides_by_weight(reduction) ? Kind::kWeights : Kind::kRows;
    runner_.run(kernels::LossDivisorJob{shares, is_sum ? Kind::kOne : kind, sums});
    batch.divisor = sums;
  }
  if (!rows.shared()) {
    batch.mask = mask;
    return;
  }
  runner_.run(kernels::LossDivisorJob{shares, Kind::kWeights, sums + 1});
  batch.weights = sums + 1;
  batch.counts = nullptr;
}

const float* DeviceLosses::by_row(const LossRows& rows, const float* predictions) {
  if (rows.in_order) return predictions;
  const std::int64_t size = rows.y_pred.size();
  float* const out = room(rows_, size, device());
  runner_.run(copy(predictions, rows.places, out, kernels::Layout::dense(size), size));
  return out;
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

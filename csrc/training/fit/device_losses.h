#pragma once
#include <lamina/losses.h>

#include <span>
#include <vector>

#include "ops/jobs/job_runner.h"
#include "training/fit/batch_labels.h"

namespace lamina::training {

/// The gradients of Keras's losses by a device's predictions, computed there, so that it need not
/// wait for the host between forward and backward. Their values are the host's to compute, as
/// elsewhere.
class DeviceLosses {
 public:
  explicit DeviceLosses(Device device) : runner_(device) {}
  [[nodiscard]] Device device() const noexcept { return runner_.device(); }
  /// False for losses that users have derived, for Circle, whose rows depend on one another, for
  /// CTC, which goes through its rows step by step, and for predictions that have no gradient.
  [[nodiscard]] static bool computes(const Loss& loss, DType predictions);

  /// Tensors of the device.
  struct Batch {
    std::span<const Tensor> arrays;  ///< BatchLabels::arrays()
    std::span<const Tensor> predictions;
    std::span<const Tensor> masks;  ///< bool, undefined for outputs without one
  };
  /// Gives the device the work: `gradients` of the shapes and dtypes of the predictions, times
  /// `scales`, one for each output. Waits for nothing, but to make room for larger outputs than
  /// before. Throws DeviceError, OutOfMemoryError.
  void compute(const BatchLabels& labels, const Batch& batch, std::span<const double> scales,
               std::vector<Tensor> gradients);

 private:
  /// How the rows count that the device knows the mask of: divisor and, of a row that has shares,
  /// what these weigh. `sums` has room for two.
  void apply_mask(const BatchLabels::Output& output, const bool* mask, kernels::LossBatch& batch,
                  float* sums) const;
  /// Predictions row after row, and a gradient in the place of them.
  [[nodiscard]] const float* by_row(const LossRows& rows, const float* predictions);
  /// The same numbers as float32, in memory that is kept; `numbers` themselves where they are that.
  [[nodiscard]] const float* as_float(const Tensor& numbers);
  /// Room for so many float32, kept until more are asked for.
  [[nodiscard]] static float* room(Tensor& kept, std::int64_t size, Device device);

  ops::JobRunner runner_;
  Tensor predictions_, slopes_;   ///< float32, of one output after another
  Tensor rows_, slopes_of_rows_;  ///< the same where rows are not what lies together
  Tensor sums_;                   ///< float32, two an output
};

}  // namespace lamina::training

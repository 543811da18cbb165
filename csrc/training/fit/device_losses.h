#pragma once
#include <lamina/losses.h>

#include <optional>
#include <span>
#include <vector>

#include "kernels/losses.h"
#include "ops/jobs/job_runner.h"

namespace lamina::training {

/// The gradients of Keras's losses by a device's predictions, computed there, so that it need not
/// wait for the host between forward and backward. What a batch's labels and weights have to say is
/// checked and made ready before the step; their values are the host's to compute, as elsewhere.
class DeviceLosses {
 public:
  explicit DeviceLosses(Device device) : runner_(device) {}
  [[nodiscard]] Device device() const noexcept { return runner_.device(); }
  /// False for losses that users have derived, and for predictions that have no gradient.
  [[nodiscard]] static bool computes(const Loss& loss, DType predictions);

  /// Forgets the last batch.
  void begin();
  /// Adds the loss of one output, for which computes() holds; its gradient will be multiplied by
  /// `scale`. Throws what Loss::value_and_gradient throws.
  void add(const Loss& loss, const Tensor& y_true, const Tensor& sample_weight,
           const Shape& predictions, double scale);
  /// What the device needs to have of the batch: on the host.
  [[nodiscard]] const std::vector<Tensor>& arrays() const noexcept { return arrays_; }
  /// Gives the device the work: `gradients` of the shapes and dtypes of `predictions`, of the
  /// outputs in the order in which they were added, and `arrays()` as they are there. Waits for
  /// nothing, but to make room for larger outputs than before. Throws DeviceError,
  /// OutOfMemoryError.
  void compute(std::span<const Tensor> arrays, std::span<const Tensor> predictions,
               std::vector<Tensor> gradients);

 private:
  /// Where in the arrays something lies.
  using Place = std::optional<std::size_t>;
  struct Added {
    kernels::RowLoss loss;
    kernels::LossBatch batch;  ///< without addresses
    Place y_true, weights, counts;
  };
  [[nodiscard]] std::size_t put(Tensor array);
  /// The same numbers as float32, in memory that is kept; `numbers` themselves where they are that.
  [[nodiscard]] const float* as_float(const Tensor& numbers);
  /// Room for so many float32, kept until more are asked for.
  [[nodiscard]] static float* room(Tensor& kept, std::int64_t size, Device device);

  ops::JobRunner runner_;
  std::vector<Added> added_;
  std::vector<Tensor> arrays_;
  Tensor predictions_, slopes_;  ///< float32, of one output after another
};

}  // namespace lamina::training

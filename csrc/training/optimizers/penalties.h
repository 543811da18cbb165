#pragma once
#include <lamina/variable.h>

#include <functional>
#include <vector>

#include "kernels/penalties.h"
#include "ops/jobs/job_runner.h"

namespace lamina::training {

/// What the regularizers of variables add to the loss (Keras's `model.losses`) and to gradients.
/// Computed where the variables are; the result does not depend on the number of threads.
class Penalties {
 public:
  /// `variables`, those without a regularizer among them, are on `device`. Throws DeviceError,
  /// OutOfMemoryError.
  Penalties(const std::vector<VariablePtr>& variables, Device device);

  /// What `value_of` makes the penalty of the variables as they are of, once it is on the host: a
  /// device is given the work, which nothing waits for. Undefined where nothing is penalized. Valid
  /// until the next call. Throws DeviceError.
  [[nodiscard]] const Tensor& sums();
  [[nodiscard]] double value_of(const Tensor& sums) const;
  /// Both at once; waits for a device.
  [[nodiscard]] double value() { return value_of(sums().to(Device::cpu())); }
  /// Adds `scale` times the derivatives, in place. `gradients`: one for each of the variables, of
  /// its shape and dtype and on the device; one of which `is_zero(index)` holds is taken for zeros
  /// whatever it holds.
  void add_gradients(const std::vector<Tensor>& gradients, double scale,
                     const std::function<bool(std::size_t index)>& is_zero) const;

 private:
  struct Penalized {
    VariablePtr variable;
    std::size_t index;  ///< among all variables
    kernels::PenaltyFactors factors;
    std::int64_t first, pieces;  ///< its share of the sums
  };

  ops::JobRunner runner_;
  std::vector<Penalized> penalized_;
  Tensor sums_;  ///< one for each piece
};

/// The penalty of these variables, all on one device.
[[nodiscard]] double penalty_of(const std::vector<VariablePtr>& variables);

}  // namespace lamina::training

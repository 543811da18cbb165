#pragma once
#include <lamina/variable.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "kernels/penalties.h"
#include "ops/jobs/job_runner.h"
#include "training/optimizers/orthogonal_penalty.h"

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
  /// Adds `scale` times the derivatives, in place, of the variables as they were at the last
  /// `sums`. `gradients`: one for each of the variables, of its shape and dtype and on the device;
  /// one of which `is_zero(index)` holds is taken for zeros whatever it holds.
  void add_gradients(const std::vector<Tensor>& gradients, double scale,
                     const std::function<bool(std::size_t index)>& is_zero) const;

 private:
  struct Penalized {
    VariablePtr variable;
    std::size_t index;  ///< among all variables
    kernels::PenaltyFactors factors;
    std::optional<OrthogonalPenalty> orthogonal;  ///< without, the factors count
    std::int64_t first, pieces;                   ///< its share of the sums
  };
  void add_up(Penalized& each);
  void add_gradient(const Penalized& each, Tensor& gradient, double scale, bool zero) const;

  ops::JobRunner runner_;
  std::vector<Penalized> penalized_;
  Tensor sums_;  ///< one for each piece; of OrthogonalRegularizer, for each row or column
};

/// The penalty of variables, all on one device, for evaluation: computed once for values that stay
/// (see core::VariableAccess::version).
class KnownPenalty {
 public:
  /// Gives a device the work where the variables or their values are others than at the last call;
  /// waits for nothing. Throws DeviceError, OutOfMemoryError.
  void begin(std::vector<VariablePtr> variables);
  /// Of the values at the last `begin`; waits for a device at the first call after one that gave it
  /// work, which is short where others have waited for what it was given later.
  [[nodiscard]] double value();

 private:
  std::vector<VariablePtr> variables_;
  std::vector<std::uint64_t> versions_;
  Device device_;
  std::optional<Penalties> penalties_;
  Tensor sums_;
  std::optional<double> value_;
};

}  // namespace lamina::training

#pragma once
#include <memory>
#include <vector>

#include "kernels/updates.h"
#include "ops/jobs/job_runner.h"
#include "training/optimizers/device_table.h"

namespace lamina::training {

struct Update;

/// An optimizer's rule, for elements computed as float and as double.
struct DeviceRule {
  kernels::RuleOf<float> rule;
  kernels::RuleOf<double> wide;
};

/// Steps on arrays of a device: one kernel for all arrays of a dtype, and one more for norms. What
/// kernels are told of the arrays stays on the device from step to step. Throws DeviceError.
class DeviceUpdate {
 public:
  explicit DeviceUpdate(Device device)
      : runner_(device), arrays_(device), lost_(device), gradients_(device), norms_(device) {}

  [[nodiscard]] Device device() const noexcept { return runner_.device(); }
  /// As run_step, accumulate and squared_norms (see update.h), whose items name arrays of the
  /// device. The first two wait for the device and set `update.finite`.
  void step(Update& update, const DeviceRule& rule);
  void accumulate(Update& update);
  [[nodiscard]] std::vector<double> squared_norms(const Update& update);
  /// Of each item, before a step by this rule.
  [[nodiscard]] std::vector<kernels::NormSquares> norm_squares(
      const Update& update, const kernels::LambStep<float>& rule,
      const kernels::LambStep<double>& wide_rule);
  /// Whether all of the device's tensors hold finite numbers alone.
  [[nodiscard]] bool all_finite(const std::vector<Tensor>& tensors);

 private:
  /// The pieces of all arrays of one dtype.
  struct Group {
    DType dtype;
    std::vector<kernels::Piece> pieces;
    kernels::Arrays all;
  };

  /// Arrays of which sums are wanted: as they are before these are used.
  struct Measured {
    DeviceTable arrays;
    std::vector<Tensor> sums;  ///< one a dtype, of its pieces
    explicit Measured(Device device) : arrays(device) {}
  };

  /// `arrays`: the table of the arrays, for one use of it.
  [[nodiscard]] std::vector<Group> groups(const Update& update, DeviceTable& arrays);
  void fetch_finite(Update& update);
  /// For each item what job(group, sums) makes of its pieces, added up; waits for the device.
  template <class Sum, class Job>
  [[nodiscard]] std::vector<Sum> sums_of(const Update& update, Measured& measured, const Job& job);

  ops::JobRunner runner_;
  DeviceTable arrays_, lost_;
  Measured gradients_, norms_;
  std::vector<DeviceTable> pieces_;  ///< one a dtype
};

}  // namespace lamina::training

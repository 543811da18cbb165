#pragma once
#include <lamina/variable.h>

#include <unordered_map>
#include <vector>

#include "kernels/constraints.h"
#include "ops/jobs/job_runner.h"

namespace lamina::training {

/// Throws ValueError naming the variable when its constraint does not suit its shape.
void check_constraint(const Variable& variable);

/// Makes of variables' new values what their constraints allow. What these are, and what it needs
/// for them, is kept from a variable's first step on.
class Constrainer {
 public:
  explicit Constrainer(Device device) : runner_(device) {}
  [[nodiscard]] Device device() const noexcept { return runner_.device(); }

  /// The work on a variable that has a constraint (see check_constraint), from the elements at
  /// `value.in` to those at `value.out`, which may be the same. Throws DeviceError and
  /// OutOfMemoryError; to run the work needs no memory.
  [[nodiscard]] kernels::ConstrainJob job(const Variable& variable, const kernels::InOut& value);
  void run(const std::vector<kernels::ConstrainJob>& jobs) const;

 private:
  struct Prepared {
    kernels::ConstraintRule rule;
    kernels::Groups groups;
    Tensor norms, parts;
  };
  [[nodiscard]] Prepared prepare(const Variable& variable) const;

  ops::JobRunner runner_;
  std::unordered_map<const Variable*, Prepared> prepared_;
};

}  // namespace lamina::training

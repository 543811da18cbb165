#pragma once
#include <lamina/variable.h>

#include <cstdint>

#include "kernels/orthogonal.h"

namespace lamina::training {

/// What OrthogonalRegularizer adds to the loss for a matrix, and to its gradient, as kernels' jobs.
class OrthogonalPenalty {
 public:
  /// Throws ValueError for a variable that is no matrix; DeviceError, OutOfMemoryError.
  OrthogonalPenalty(const Variable& variable, Device device);

  /// Rows or columns: each has a sum, and work on some of them is independent of that on others.
  [[nodiscard]] std::int64_t count() const noexcept { return count_; }
  /// First for all, then the others, for ranges of them, in this order, `sums` being the same.
  [[nodiscard]] kernels::InverseNormsJob norms(const Variable& variable);
  [[nodiscard]] kernels::CosinesJob cosines(const Variable& variable, std::int64_t begin,
                                            std::int64_t end, double* sums);
  [[nodiscard]] kernels::OrthogonalGradientJob gradient(const Variable& variable,
                                                        std::int64_t begin, std::int64_t end,
                                                        const double* sums, double scale,
                                                        const kernels::InOut& gradient) const;
  /// The penalty by all sums together.
  [[nodiscard]] double value(double sums) const { return factor_ * 0.5 * sums / pairs(); }

 private:
  [[nodiscard]] kernels::Vectors vectors(const Variable& variable) const;
  [[nodiscard]] double pairs() const {
    return static_cast<double>(count_) * (static_cast<double>(count_) - 1) / 2;
  }

  double factor_;
  bool columns_;
  std::int64_t count_;
  Tensor inverse_, cosines_;
};

}  // namespace lamina::training

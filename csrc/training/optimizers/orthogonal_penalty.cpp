#include "training/optimizers/orthogonal_penalty.h"

#include <fmt/format.h>
#include <lamina/error.h>

namespace lamina::training {

OrthogonalPenalty::OrthogonalPenalty(const Variable& variable, Device device)
    : factor_(variable.regularizer().orthogonal()->factor),
      columns_(variable.regularizer().orthogonal()->mode == "columns") {
  if (variable.shape().rank() != 2) {
    throw ValueError(fmt::format(
        "Inputs to OrthogonalRegularizer must have rank 2. Received: inputs.shape={} of "
        "the variable '{}'",
        variable.shape().str(), variable.path()));
  }
  count_ = variable.shape()[columns_ ? 1 : 0];
  inverse_ = Tensor::empty({count_}, DType::kFloat64, device);
  cosines_ = Tensor::empty({count_, count_}, DType::kFloat64, device);
}

kernels::Vectors OrthogonalPenalty::vectors(const Variable& variable) const {
  const std::int64_t rows = variable.shape()[0], columns = variable.shape()[1];
  const void* const w = variable.value().raw();
  if (columns_) return {w, columns, rows, 1, columns};
  return {w, rows, columns, columns, 1};
}

kernels::InverseNormsJob OrthogonalPenalty::norms(const Variable& variable) {
  return {variable.dtype(), vectors(variable), static_cast<double*>(inverse_.raw())};
}

kernels::CosinesJob OrthogonalPenalty::cosines(const Variable& variable, std::int64_t begin,
                                               std::int64_t end, double* sums) {
  return {variable.dtype(),
          vectors(variable),
          begin,
          end - begin,
          static_cast<const double*>(inverse_.raw()),
          static_cast<double*>(cosines_.raw()),
          sums};
}

kernels::OrthogonalGradientJob OrthogonalPenalty::gradient(const Variable& variable,
                                                           std::int64_t begin, std::int64_t end,
                                                           const double* sums, double scale,
                                                           const kernels::InOut& gradient) const {
  return {variable.dtype(),
          vectors(variable),
          begin,
          end - begin,
          static_cast<const double*>(inverse_.raw()),
          static_cast<const double*>(cosines_.raw()),
          sums,
          scale * factor_ / pairs(),
          gradient};
}

}  // namespace lamina::training

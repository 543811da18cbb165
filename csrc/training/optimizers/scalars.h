#pragma once
#include <lamina/variable.h>

#include <algorithm>

namespace lamina::training {

/// A tensor of one number.
[[nodiscard]] inline Tensor filled(const Shape& shape, DType dtype, double number) {
  if (number == 0) return Tensor::zeros(shape, dtype);
  Tensor values = Tensor::empty(shape, DType::kFloat64);
  std::fill(values.data<double>().begin(), values.data<double>().end(), number);
  return values.cast(dtype);
}

[[nodiscard]] inline double scalar(const Variable& variable) {
  return variable.value().cast(DType::kFloat64).data<double>()[0];
}

}  // namespace lamina::training

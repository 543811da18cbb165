#pragma once
#include <lamina/tensor.h>

#include <cstdint>

#include "ops/backend.h"

namespace lamina::training {

/// Makes matrices of one shape about orthogonal, on the host.
class NewtonSchulz {
 public:
  /// x = a x + (b p + c p^2) x with p = x x^T.
  struct Coefficients {
    double a, b, c;
  };

  /// For matrices of at least as many columns as rows, none of them 0, and float32 or float64.
  /// `backend`: of the host; it must outlive this.
  NewtonSchulz(ops::Backend& backend, const Shape& shape, DType dtype);

  /// So many steps with x, which has a norm of at most 1.
  void run(Tensor& x, const Coefficients& coefficients, std::int64_t steps);

 private:
  /// One product of two matrices.
  class Product {
   public:
    Product(ops::Backend& backend, ops::MatMul op);
    void run(const Tensor& x0, const Tensor& x1, Tensor& y);

   private:
    ops::KernelPtr kernel_;
    Tensor workspace_;
  };

  Shape shape_;
  DType dtype_;
  Product outer_, square_, applied_;
};

}  // namespace lamina::training

#include "training/optimizers/newton_schulz.h"

#include <array>
#include <type_traits>
#include <utility>

namespace lamina::training {
namespace {

ops::MatMul product(const Shape& x0, const Shape& x1, bool transpose_x1, DType dtype) {
  ops::MatMul op;
  op.x0 = {x0, dtype};
  op.x1 = {x1, dtype};
  op.y = {{x0[0], x1[transpose_x1 ? 0 : 1]}, dtype};
  op.transpose_x1 = transpose_x1;
  return op;
}

/// y = a x + b y
template <class T>
void combine(const Tensor& x, double a, double b, Tensor& y) {
  const auto from = x.data<T>();
  const auto into = y.data<T>();
  const T of_x = T(a), of_y = T(b);
  for (std::size_t i = 0; i < into.size(); ++i) into[i] = of_x * from[i] + of_y * into[i];
}

}  // namespace

NewtonSchulz::Product::Product(ops::Backend& backend, ops::MatMul op)
    : kernel_(backend.make(std::move(op))),
      workspace_(
          Tensor::empty({static_cast<std::int64_t>(kernel_->workspace_bytes())}, DType::kUInt8)) {
  kernel_->load_parameters({});
}

void NewtonSchulz::Product::run(const Tensor& x0, const Tensor& x1, Tensor& y) {
  const std::array<const void*, 2> inputs{x0.raw(), x1.raw()};
  const std::array<void*, 1> outputs{y.raw()};
  kernel_->run({inputs, outputs, workspace_.raw()});
}

NewtonSchulz::NewtonSchulz(ops::Backend& backend, const Shape& shape, DType dtype)
    : shape_{shape},
      dtype_(dtype),
      outer_(backend, product(shape, shape, true, dtype)),
      square_(backend, product({shape[0], shape[0]}, {shape[0], shape[0]}, false, dtype)),
      applied_(backend, product({shape[0], shape[0]}, shape, false, dtype)) {}

void NewtonSchulz::run(Tensor& x, const Coefficients& coefficients, std::int64_t steps) {
  const auto& [a, b, c] = coefficients;
  const Shape small{shape_[0], shape_[0]};
  Tensor p = Tensor::empty(small, dtype_), squared = Tensor::empty(small, dtype_);
  Tensor moved = Tensor::empty(shape_, dtype_);
  const auto step = [&]<class T>(T) {
    outer_.run(x, x, p);
    square_.run(p, p, squared);
    combine<T>(squared, c, b, p);
    applied_.run(p, x, moved);
    combine<T>(moved, 1, a, x);
  };
  for (std::int64_t i = 0; i < steps; ++i) {
    if (dtype_ == DType::kFloat64) {
      step(double{});
    } else {
      step(float{});
    }
  }
}

}  // namespace lamina::training

#include "ops/cpu/kernels.h"
#include "ops/cpu/product_kernel.h"

namespace lamina::ops::cpu {
namespace {

/// Matrices of (rows, columns), or such that lie transposed.
dnnl::memory::desc matrices(std::int64_t count, std::int64_t rows, std::int64_t columns,
                            bool transposed) {
  return {Dims{count, rows, columns}, dnnl::memory::data_type::f32,
          transposed ? Dims{rows * columns, 1, rows} : Dims{rows * columns, columns, 1}};
}

}  // namespace

KernelPtr make_matmul(const dnnl::engine& engine, const MatMul& op) {
  const MatMulSizes sizes(op);
  if (sizes.depth == 0) return nullptr;  // libraries differ on sums of nothing
  const dnnl::matmul::desc desc(
      matrices(sizes.matrices, sizes.rows, sizes.depth, op.transpose_x0),
      matrices(sizes.matrices, sizes.depth, sizes.columns, op.transpose_x1),
      matrices(sizes.matrices, sizes.rows, sizes.columns, false));
  dnnl::post_ops post_ops;
  if (op.scale != 1) (void)append_activation(post_ops, {Unary::kScaleShift, op.scale, 0});
  return std::make_unique<ProductKernel>(
      op, dnnl::matmul::primitive_desc{desc, attributes(post_ops), engine}, engine);
}

}  // namespace lamina::ops::cpu

#include "ops/cuda/dense.h"
#include "ops/cuda/kernels.h"
#include "ops/jobs/layouts.h"

namespace lamina::ops::cuda {
namespace {

LibraryProduct product_of(const MatMul& op) {
  const MatMulSizes sizes(op);
  LibraryProduct out;
  out.dtype = op.x0.dtype;
  out.transpose_a = op.transpose_x0;
  out.transpose_b = op.transpose_x1;
  out.rows = sizes.rows;
  out.columns = sizes.columns;
  out.depth = sizes.depth;
  out.matrices = sizes.matrices;
  out.scale = op.scale;
  out.wide = op.y.dtype != op.x0.dtype;
  return out;
}

/// By a kernel of ours, for what no library has.
Recipe direct(const LibraryProduct& product) {
  kernels::ProductJob job{};
  job.dtype = product.dtype;
  job.transpose_a = product.transpose_a;
  job.transpose_b = product.transpose_b;
  job.b_like_a = true;
  job.wide_c = product.wide;
  if (product.scale != 1) job.function = jobs::function({Unary::kScaleShift, product.scale, 0});
  job.rows = product.rows;
  job.columns = product.columns;
  job.depth = product.depth;
  job.matrices = product.matrices;
  return {.run = [job](const Call& call) mutable {
    job.a = call.input(0);
    job.b = call.input(1);
    job.c = call.output();
    call.launch(job);
  }};
}

}  // namespace

KernelPtr make(const Site& site, const MatMul& op) {
  const LibraryProduct product = product_of(op);
  const auto plan = plan_product(*site.engine, product);
  if (plan == nullptr) return device_kernel(site, op, direct(product));
  return device_kernel(site, op,
                       {.run =
                            [plan](const Call& call) {
                              plan->run(call.stream(), {call.input(0), call.input(1), nullptr,
                                                        call.output(), call.workspace()});
                            },
                        .workspace = plan->workspace_bytes()});
}

}  // namespace lamina::ops::cuda

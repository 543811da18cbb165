#include <algorithm>

#include "core/compute_dtype.h"
#include "ops/cuda/dense.h"
#include "ops/cuda/kernels.h"
#include "ops/cuda/library_convolution.h"
#include "ops/jobs/layouts.h"

namespace lamina::ops::cuda {
namespace {

using Direction = LibraryConvolution::Direction;

/// What is done behind a library's product: act(y + bias) + residual.
kernels::EpilogueJob epilogue(const TensorSpec& y, const Activation& activation) {
  kernels::EpilogueJob job{};
  job.dtype = y.dtype;
  job.function = jobs::function(activation);
  job.size = y.shape.size();
  job.channels = y.shape[-1];
  return job;
}

/// As libraries want it: (F, KH, KW, C/groups).
Packing library_kernel(DType dtype) {
  return {dtype, true};
}

template <class Op>
kernels::Geometry geometry(const Op& op) {
  kernels::Geometry g{};
  g.images = op.x.shape[0];
  g.in_channels = op.x.shape[3];
  g.out_channels = op.y.shape[3];
  for (int i = 0; i < 2; ++i) {
    g.in[i] = op.x.shape[i + 1];
    g.out[i] = op.y.shape[i + 1];
    g.window[i] = op.kernel[i];
    g.strides[i] = op.strides[i];
    g.dilation[i] = op.dilation[i];
    g.before[i] = op.pad_before[i];
  }
  return g;
}

/// Whether each point of y is a product of the same point of x and the kernel: libraries of
/// products plan such a one in a hundredth of the time, and need no other order of the kernel.
template <class Op>
bool is_product(const Op& op) {
  constexpr Pair kOne{1, 1}, kNone{0, 0};
  return op.kernel == kOne && op.strides == kOne && op.groups == 1 && op.pad_before == kNone &&
         op.pad_after == kNone;
}

Dense as_dense(const Conv2D& op) {
  return {
      .x = op.x, .y = op.y, .bias = op.bias, .residual = op.residual, .activation = op.activation};
}
Dense as_dense(const Conv2DTranspose& op) {
  return {.x = op.x, .y = op.y, .bias = op.bias, .transposed = true, .activation = op.activation};
}

/// Whether cuDNN has engines for it behind a convolution that need no compiler at run time. Those
/// that do take seconds to plan, and where float32 is strict they were many times slower than a
/// convolution and a kernel of ours.
bool is_fused(const Activation& activation) {
  return activation == Activation{} || activation == relu();
}

/// By a kernel of ours, for what no library has.
template <class Op>
KernelPtr direct(const Site& site, const Op& op, bool transposed, bool residual) {
  kernels::ConvolutionJob job{};
  job.dtype = op.y.dtype;
  job.transposed = transposed;
  job.geometry = geometry(op);
  job.groups = op.groups;
  job.function = jobs::function(op.activation);
  job.size = op.y.shape.size();
  std::vector<std::size_t> in_place;
  if (residual) in_place.push_back(1);
  return device_kernel(site, op,
                       {.run =
                            [job, residual, bias = op.bias](const Call& call) mutable {
                              job.x = call.input(0);
                              job.kernel = call.param(0);
                              job.bias = bias ? call.param(1) : nullptr;
                              job.residual = residual ? call.input(1) : nullptr;
                              job.y = call.output();
                              call.launch(job);
                            },
                        .in_place = in_place});
}

}  // namespace

KernelPtr make(const Site& site, const Conv2D& op) {
  if (is_product(op)) return device_kernel(site, op, product_recipe(site, as_dense(op)));
  PlannedConvolution planned;
  if (is_fused(op.activation)) {
    LibraryConvolution wanted = library_op(op);
    wanted.bias = op.bias;
    wanted.activation = op.activation;
    planned = plan_convolution(*site.engine, wanted);
  }
  const bool fused = planned.plan != nullptr;
  if (!fused) planned = plan_convolution(*site.engine, library_op(op));
  if (planned.plan == nullptr) return direct(site, op, false, op.residual);
  const DType bias_dtype = fused ? op.y.dtype : core::compute_dtype(op.y.dtype);
  kernels::EpilogueJob rest = epilogue(op.y, fused ? Activation{} : op.activation);
  const bool more = op.residual || (!fused && (op.bias || op.activation != Activation{}));
  return device_kernel(site, op,
                       {.run =
                            [planned, rest, fused, more, bias = op.bias,
                             residual = op.residual](const Call& call) mutable {
                              const void* at = bias ? call.param(1) : nullptr;
                              planned.run(call, call.input(0), call.param(0), fused ? at : nullptr,
                                          call.output());
                              if (!more) return;
                              rest.bias = fused ? nullptr : at;
                              rest.residual = residual ? call.input(1) : nullptr;
                              rest.y = call.output();
                              call.launch(rest);
                            },
                        .workspace = planned.workspace,
                        .packing = {library_kernel(op.y.dtype), {bias_dtype}}});
}

KernelPtr make(const Site& site, const Conv2DTranspose& op) {
  if (is_product(op)) return device_kernel(site, op, product_recipe(site, as_dense(op)));
  const PlannedConvolution planned = plan_convolution(*site.engine, library_op(op));
  if (planned.plan == nullptr) return direct(site, op, true, false);
  kernels::EpilogueJob rest = epilogue(op.y, op.activation);
  const bool more = op.bias || op.activation != Activation{};
  return device_kernel(site, op,
                       {.run =
                            [planned, rest, more, bias = op.bias](const Call& call) mutable {
                              planned.run(call, call.input(0), call.param(0), nullptr,
                                          call.output());
                              if (!more) return;
                              rest.bias = bias ? call.param(1) : nullptr;
                              rest.y = call.output();
                              call.launch(rest);
                            },
                        .workspace = planned.workspace,
                        .packing = {library_kernel(op.y.dtype)}});
}

namespace {

KernelPtr direct_gradient(const Site& site, const Conv2DKernelGradient& op) {
  kernels::KernelGradientJob job{};
  job.dtype = op.y.dtype;
  job.geometry = geometry(op.of);
  job.groups = op.of.groups;
  job.size = op.y.shape.size();
  const Shape& y = op.of.y.shape;
  job.slices = kernels::Slices::of(job.size, y[0] * y[1] * y[2], false);
  return device_kernel(site, op,
                       {.run =
                            [job](const Call& call) mutable {
                              job.x = call.input(0);
                              job.dy = call.input(1);
                              job.y = call.output();
                              job.parts = call.workspace();
                              call.launch(job);
                            },
                        .workspace = jobs::parts_bytes(job.slices, job.size)});
}

}  // namespace

KernelPtr make(const Site& site, const Conv2DKernelGradient& op) {
  if (is_product(op.of)) {
    const DenseKernelGradient product{as_dense(op.of),
                                      {{op.y.shape[2], op.y.shape[3]}, op.y.dtype}};
    return device_kernel(site, op, product_recipe(site, product));
  }
  LibraryConvolution wanted = library_op(op.of);
  wanted.direction = Direction::kKernel;
  PlannedConvolution planned = plan_convolution(*site.engine, wanted);
  if (planned.plan == nullptr) return direct_gradient(site, op);
  // The library's (F, KH, KW, C/groups) to the layer's (KH, KW, C/groups, F).
  const Shape& to = op.y.shape;
  kernels::CopyJob job{};
  job.element = dtype_size(op.y.dtype);
  job.size = to.size();
  job.from = jobs::layout(to.dims(), {to[1] * to[2], to[2], 1, to[0] * to[1] * to[2]});
  job.to = jobs::dense(job.size);
  const std::size_t kernel = carve(planned.workspace, op.y.nbytes());
  return device_kernel(site, op,
                       {.run =
                            [planned, job, kernel](const Call& call) mutable {
                              planned.run(call, call.input(0), call.input(1), nullptr,
                                          call.workspace(kernel));
                              job.x = call.workspace(kernel);
                              job.y = call.output();
                              call.launch(job);
                            },
                        .workspace = planned.workspace});
}

}  // namespace lamina::ops::cuda

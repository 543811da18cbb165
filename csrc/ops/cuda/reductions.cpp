#include "core/compute_dtype.h"
#include "ops/cuda/kernels.h"
#include "ops/jobs/layouts.h"

namespace lamina::ops::cuda {
namespace {

kernels::ReduceKind kind_of(Reduce::Kind kind) {
  switch (kind) {
    case Reduce::Kind::kMean:
      return kernels::ReduceKind::kMean;
    case Reduce::Kind::kMax:
      return kernels::ReduceKind::kMax;
    case Reduce::Kind::kSum:
      return kernels::ReduceKind::kSum;
  }
  __builtin_unreachable();
}

/// Bytes of `numbers` of the type that elements are computed in, for each group.
std::size_t per_group(const kernels::Groups& groups, DType dtype, std::size_t numbers) {
  return static_cast<std::size_t>(groups.count) * numbers * dtype_size(core::compute_dtype(dtype));
}

}  // namespace

KernelPtr make(const Site& site, const Reduce& op) {
  kernels::ReduceJob job{};
  job.dtype = op.y.dtype;
  job.kind = kind_of(op.kind);
  job.groups = jobs::groups(op.x.shape, op.axes);
  return device_kernel(site, op,
                       {.run =
                            [job](const Call& call) mutable {
                              job.x = call.input(0);
                              job.y = call.output();
                              job.parts = call.workspace();
                              call.launch(job);
                            },
                        .workspace = jobs::parts_bytes(job.groups.slices, job.groups.count)});
}

KernelPtr make(const Site& site, const ReduceGradient& op) {
  kernels::ReduceGradientJob job{};
  job.dtype = op.y.dtype;
  job.kind = kind_of(op.of.kind);
  job.groups = jobs::groups(op.of.x.shape, op.of.axes);
  const bool is_max = op.of.kind == Reduce::Kind::kMax;
  std::size_t used = 0;
  const std::size_t shares = carve(used, per_group(job.groups, job.dtype, 1));
  const std::size_t parts = carve(used, jobs::parts_bytes(job.groups.slices, job.groups.count));
  return device_kernel(site, op,
                       {.run =
                            [job, is_max, shares, parts](const Call& call) mutable {
                              if (is_max) {
                                job.x = call.input(0);
                                job.largest = call.input(1);
                              }
                              job.dy = call.input(is_max ? 2 : 0);
                              job.y = call.output();
                              job.shares = call.workspace(shares);
                              job.parts = call.workspace(parts);
                              call.launch(job);
                            },
                        .workspace = used});
}

KernelPtr make(const Site& site, const Softmax& op) {
  kernels::SoftmaxJob job{};
  job.dtype = op.y.dtype;
  job.log = op.log;
  job.groups = jobs::groups(op.x.shape, op.axes);
  std::size_t used = 0;
  const std::size_t sums = carve(used, per_group(job.groups, job.dtype, 2));
  const std::size_t parts = carve(used, jobs::parts_bytes(job.groups.slices, job.groups.count));
  return device_kernel(site, op,
                       {.run =
                            [job, sums, parts](const Call& call) mutable {
                              job.x = call.input(0);
                              job.y = call.output();
                              job.sums = call.workspace(sums);
                              job.parts = call.workspace(parts);
                              call.launch(job);
                            },
                        .workspace = used});
}

KernelPtr make(const Site& site, const SoftmaxGradient& op) {
  kernels::SoftmaxGradientJob job{};
  job.dtype = op.y.dtype;
  job.log = op.of.log;
  job.groups = jobs::groups(op.of.x.shape, op.of.axes);
  std::size_t used = 0;
  const std::size_t sums = carve(used, per_group(job.groups, job.dtype, 1));
  const std::size_t parts = carve(used, jobs::parts_bytes(job.groups.slices, job.groups.count));
  return device_kernel(site, op,
                       {.run =
                            [job, sums, parts](const Call& call) mutable {
                              job.value = call.input(0);
                              job.dy = call.input(1);
                              job.y = call.output();
                              job.sums = call.workspace(sums);
                              job.parts = call.workspace(parts);
                              call.launch(job);
                            },
                        .workspace = used});
}

}  // namespace lamina::ops::cuda

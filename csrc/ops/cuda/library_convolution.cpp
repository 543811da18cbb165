#include "ops/cuda/library_convolution.h"

#include <algorithm>

namespace lamina::ops::cuda {
namespace {

using Direction = LibraryConvolution::Direction;

std::int64_t extent(const LibraryConvolution& op, int dim) {
  return (op.kernel[dim] - 1) * op.dilation[dim] + 1;
}

/// As much behind the image as its last window needs; or as much as before it, if that changes
/// nothing.
void choose_padding_behind(LibraryConvolution& op) {
  for (int dim = 0; dim < 2; ++dim) {
    const std::int64_t in = op.x[dim + 1], out = op.y[dim + 1], before = op.before[dim];
    const std::int64_t needed = (out - 1) * op.strides[dim] + extent(op, dim) - in - before;
    op.after[dim] = std::max<std::int64_t>(needed, 0);
    if (op.after[dim] > before) continue;
    const std::int64_t alike = (in + 2 * before - extent(op, dim)) / op.strides[dim] + 1;
    if (alike == out) op.after[dim] = before;
  }
}

template <class Op>
LibraryConvolution geometry_of(const Op& op) {
  LibraryConvolution out;
  out.dtype = op.y.dtype;
  out.kernel = op.kernel;
  out.strides = op.strides;
  out.dilation = op.dilation;
  out.before = op.pad_before;
  out.groups = op.groups;
  return out;
}

std::size_t bytes(const Shape& shape, DType dtype) {
  return static_cast<std::size_t>(shape.size()) * dtype_size(dtype);
}

/// From x to the padded x, or back.
kernels::PadJob pad_job(const LibraryConvolution& op, const Shape& padded) {
  const bool back = op.direction == Direction::kInput;
  kernels::PadJob job{};
  job.element = dtype_size(op.dtype);
  job.rank = 4;
  for (int i = 0; i < 4; ++i) {
    job.in[i] = back ? padded[i] : op.x[i];
    job.out[i] = back ? op.x[i] : padded[i];
  }
  for (int i = 0; i < 2; ++i) job.before[i + 1] = back ? -op.before[i] : op.before[i];
  job.size = back ? op.x.size() : padded.size();
  return job;
}

}  // namespace

LibraryConvolution library_op(const Conv2D& op) {
  LibraryConvolution out = geometry_of(op);
  out.x = op.x.shape;
  out.y = op.y.shape;
  choose_padding_behind(out);
  return out;
}

LibraryConvolution library_op(const Conv2DTranspose& op) {
  LibraryConvolution out = geometry_of(op);
  out.direction = Direction::kInput;
  out.x = op.y.shape;
  out.y = op.x.shape;
  choose_padding_behind(out);
  return out;
}

LibraryConvolution with_padded_input(LibraryConvolution op) {
  for (int dim = 0; dim < 2; ++dim) {
    op.x[dim + 1] += op.before[dim] + op.after[dim];
    op.before[dim] = op.after[dim] = 0;
  }
  return op;
}

bool padding_misread(const LibraryConvolution& op) {
  return op.direction == Direction::kKernel && op.before != op.after;
}

PlannedConvolution plan_convolution(Engine& engine, const LibraryConvolution& op) {
  PlannedConvolution out;
  if (!has_library(op.dtype)) return out;
  out.to_x = op.direction == Direction::kInput;
  if (!padding_misread(op)) out.plan = engine.plan(op);
  if (out.plan == nullptr && op.before != op.after) {
    const LibraryConvolution padded = with_padded_input(op);
    out.plan = engine.plan(padded);
    out.padded = true;
    out.pad = pad_job(op, padded.x);
    out.padded_at = carve(out.workspace, bytes(padded.x, op.dtype));
  }
  if (out.plan != nullptr) out.plan_at = carve(out.workspace, out.plan->workspace_bytes());
  return out;
}

void PlannedConvolution::run(const Call& call, const void* first, const void* second,
                             const void* bias, void* result) const {
  kernels::PadJob job = pad;
  if (padded && !to_x) {
    job.x = first;
    job.y = call.workspace(padded_at);
    call.launch(job);
    first = job.y;
  }
  void* const wanted = result;
  if (padded && to_x) result = call.workspace(padded_at);
  plan->run(call.stream(), {first, second, bias, result, call.workspace(plan_at)});
  if (padded && to_x) {
    job.x = result;
    job.y = wanted;
    call.launch(job);
  }
}

}  // namespace lamina::ops::cuda

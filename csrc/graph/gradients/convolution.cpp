#include <algorithm>

#include "graph/gradients/rules.h"

namespace lamina::graph::gradients {
namespace {

/// What activation, bias and residual receive; leaves the gradient of the bare product in at.dy.
template <class Op>
void epilogue(const Op& op, Adjoint& at) {
  if constexpr (requires { op.residual; }) {
    if (op.residual) {
      if (op.activation.kind != ops::Unary::kLinear) at.refuse("behind a residual");
      if (at.wants_input(1)) at.give_input(1, at.dy);
    }
  }
  at.through_activation(op.activation);
  if (!op.bias || !at.wants_param(1)) return;
  std::vector<std::size_t> axes;
  for (std::size_t i = 0; i + 1 < op.y.shape.rank(); ++i) axes.push_back(i);
  at.give_param(1, at.builder.sum(at.dy, std::move(axes), {op.y.shape[-1]}));
}

/// The convolution without what comes behind it.
template <class To, class From>
To geometry(const From& op) {
  To bare;
  bare.x = op.x;
  bare.y = op.y;
  bare.kernel = op.kernel;
  bare.strides = op.strides;
  bare.dilation = op.dilation;
  bare.pad_before = op.pad_before;
  bare.pad_after = op.pad_after;
  bare.groups = op.groups;
  return bare;
}

/// Cuts the rows and columns of dy that no tap reached (negative pad_after).
ValueId cropped(const ops::Conv2DTranspose& op, Adjoint& at) {
  ops::Pad crop;
  crop.x = at.builder.spec(at.dy);
  crop.y = crop.x;
  crop.before.assign(4, 0);
  crop.after.assign(4, 0);
  for (std::size_t i = 0; i < 2; ++i) {
    crop.after[i + 1] = std::min<std::int64_t>(op.pad_after[i], 0);
    crop.y.shape[static_cast<std::int64_t>(i) + 1] += crop.after[i + 1];
  }
  return crop.x == crop.y ? at.dy : at.builder.emit(std::move(crop), {at.dy});
}

}  // namespace

void differentiate(const ops::Conv2D& op, Adjoint& at) {
  epilogue(op, at);
  const auto bare = geometry<ops::Conv2D>(op);
  if (at.wants_param(0)) {
    const Shape kernel{op.kernel[0], op.kernel[1], op.x.shape[3] / op.groups, op.y.shape[3]};
    at.give_param(0, at.builder.emit(ops::Conv2DKernelGradient{bare, {kernel, op.x.dtype}},
                                     {at.input(0), at.dy}));
  }
  if (!at.wants_input(0)) return;
  auto back = geometry<ops::Conv2DTranspose>(op);
  std::swap(back.x, back.y);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto axis = static_cast<std::int64_t>(i) + 1;
    const std::int64_t window = (op.kernel[i] - 1) * op.dilation[i] + 1;
    const std::int64_t full = (op.y.shape[axis] - 1) * op.strides[i] + window;
    back.pad_after[i] = full - op.pad_before[i] - op.x.shape[axis];
  }
  at.give_input(0, at.builder.emit(std::move(back), {at.dy}, {at.param(0)}));
}

void differentiate(const ops::Conv2DTranspose& op, Adjoint& at) {
  epilogue(op, at);
  const ValueId dy = cropped(op, at);
  auto forward = geometry<ops::Conv2D>(op);
  forward.x = at.builder.spec(dy);
  forward.y = op.x;
  for (std::int64_t& pad : forward.pad_after) pad = std::max<std::int64_t>(pad, 0);
  if (at.wants_param(0)) {
    const Shape kernel{op.kernel[0], op.kernel[1], op.y.shape[3] / op.groups, op.x.shape[3]};
    at.give_param(0, at.builder.emit(ops::Conv2DKernelGradient{forward, {kernel, op.x.dtype}},
                                     {dy, at.input(0)}));
  }
  if (at.wants_input(0)) {
    at.give_input(0, at.builder.emit(std::move(forward), {dy}, {at.param(0)}));
  }
}

void differentiate(const ops::Dense& op, Adjoint& at) {
  epilogue(op, at);
  if (at.wants_param(0)) {
    ops::DenseKernelGradient kernel;
    kernel.of.x = op.transposed ? op.y : op.x;
    kernel.of.y = op.transposed ? op.x : op.y;
    kernel.y = {{kernel.of.x.shape[-1], kernel.of.y.shape[-1]}, op.x.dtype};
    const std::vector<ValueId> inputs =
        op.transposed ? std::vector{at.dy, at.input(0)} : std::vector{at.input(0), at.dy};
    at.give_param(0, at.builder.emit(std::move(kernel), inputs));
  }
  if (!at.wants_input(0)) return;
  ops::Dense back;
  back.x = op.y;
  back.y = op.x;
  back.transposed = !op.transposed;
  at.give_input(0, at.builder.emit(std::move(back), {at.dy}, {at.param(0)}));
}

}  // namespace lamina::graph::gradients

#include "core/compute_dtype.h"
#include "graph/gradients/rules.h"
#include "ops/params.h"

namespace lamina::graph::gradients {
namespace {

/// Hands the rows of `sums` (the gradients of beta and gamma) to the parameters that there are.
void give_rows(Adjoint& at, ValueId sums, bool scale, bool center, const Shape& shape) {
  const ops::ParamIndex index(scale, center);
  if (index.gamma && at.wants_param(*index.gamma)) {
    at.give_param(*index.gamma, at.builder.row(sums, 1, shape));
  }
  if (index.beta && at.wants_param(*index.beta)) {
    at.give_param(*index.beta, at.builder.row(sums, 0, shape));
  }
}

template <class Op>
bool wants_rows(const Op& op, const Adjoint& at) {
  const ops::ParamIndex index(op.scale, op.center);
  return (index.gamma && at.wants_param(*index.gamma)) ||
         (index.beta && at.wants_param(*index.beta));
}

/// A parameter as a value of one row.
ValueId row_of(Adjoint& at, const Param& param, const ops::TensorSpec& spec) {
  const ValueId value = at.builder.emit(ops::ParamValue{spec}, {}, {param});
  return at.builder.reshape(value, {1, spec.shape[0]});
}

/// The same normalisation by statistics that are values.
ValueId statistics_of(const ops::BatchNorm& op, Adjoint& at, DType dtype) {
  const ops::TensorSpec each{{op.x.shape.dims()[op.axis]}, dtype};
  const std::size_t mean = ops::ParamIndex(op.scale, op.center).next;
  const ValueId means = row_of(at, at.param(mean), each);
  const ValueId variances = row_of(at, at.param(mean + 1), each);
  ops::Concat stack;
  stack.xs = {at.builder.spec(means), at.builder.spec(variances)};
  stack.y = {{2, each.shape[0]}, dtype};
  return at.builder.emit(std::move(stack), {means, variances});
}

}  // namespace

// Differentiated together with the normalisation that reads them.
void differentiate(const ops::BatchNormStatistics&, Adjoint& at) {
  at.refuse(kSecondOrder);
}

// Moving statistics are constants here.
void differentiate(const ops::BatchNorm& op, Adjoint& at) {
  if (op.activation.kind != ops::Unary::kLinear) at.refuse("behind a fused activation");
  const Shape channels{op.x.shape.dims()[op.axis]};
  const DType dtype = core::compute_dtype(op.x.dtype);
  if (wants_rows(op, at)) {
    ops::BatchNormTraining norm;
    norm.x = op.x;
    norm.y = op.y;
    norm.axis = op.axis;
    norm.epsilon = op.epsilon;
    norm.scale = op.scale;
    norm.center = op.center;
    const ValueId statistics = statistics_of(op, at, dtype);
    norm.statistics = at.builder.spec(statistics);
    std::vector<Param> params(at.params().begin(), at.params().end() - 2);
    const ValueId sums = at.builder.emit(ops::BatchNormSums{norm, norm.statistics},
                                         {at.input(0), statistics, at.dy}, std::move(params));
    give_rows(at, sums, op.scale, op.center, channels);
  }
  if (!at.wants_input(0)) return;
  ops::BatchNorm back = op;
  back.center = false;
  std::vector<Param> params;
  if (op.scale) params.push_back(at.param(0));
  params.push_back({{}, [channels, dtype] { return Tensor::zeros(channels, dtype); }});
  params.push_back(at.params().back());
  at.give_input(0, at.builder.emit(std::move(back), {at.dy}, std::move(params)));
}

void differentiate(const ops::BatchNormTraining& op, Adjoint& at) {
  const ValueId sums = at.builder.emit(ops::BatchNormSums{op, op.statistics},
                                       {at.input(0), at.input(1), at.dy}, at.params());
  give_rows(at, sums, op.scale, op.center, {op.x.shape.dims()[op.axis]});
  if (!at.wants_input(0)) return;
  at.give_input(0, at.builder.emit(ops::BatchNormGradient{op, op.statistics, op.x},
                                   {at.input(0), at.input(1), at.dy, sums}, at.params()));
}

void differentiate(const ops::LayerNorm& op, Adjoint& at) {
  Shape sizes;
  for (const std::size_t axis : op.axes) sizes.push_back(op.x.shape.dims()[axis]);
  if (wants_rows(op, at)) {
    Shape rows{2};
    for (const std::int64_t size : sizes) rows.push_back(size);
    const DType dtype = core::compute_dtype(op.x.dtype);
    const ValueId sums =
        at.builder.emit(ops::LayerNormSums{op, {std::move(rows), dtype}}, {at.input(0), at.dy});
    give_rows(at, sums, op.scale, op.center, sizes);
  }
  if (!at.wants_input(0)) return;
  std::vector<Param> gamma;
  if (op.scale) gamma.push_back(at.param(0));
  at.give_input(
      0, at.builder.emit(ops::LayerNormGradient{op, op.x}, {at.input(0), at.dy}, std::move(gamma)));
}

}  // namespace lamina::graph::gradients

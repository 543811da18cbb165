#include <algorithm>

#include "contract_rows.h"
#include "ops/elementwise.h"

namespace lamina::ops::contract {
namespace {

/// A case of the named row of what is differentiated.
template <class Op>
Op forward(const std::vector<Row>& rows, Random& random) {
  std::vector<const Row*> fitting;
  for (const Row& row : rows) {
    Random copy = random;
    if (std::holds_alternative<Op>(row.make(copy))) fitting.push_back(&row);
  }
  return std::get<Op>(one_of(random, fitting)->make(random));
}

/// Only what has no kink, where float and double could take different sides of it.
Activation smooth(Random& random) {
  return one_of<Activation>(random,
                            {{}, {Unary::kSilu}, {Unary::kSilu}, {Unary::kTanh}, {Unary::kGelu}});
}

OpSpec dropout(Random& random) {
  Dropout op;
  op.x.shape = {pick(random, 1, 9), pick(random, 1, 9000)};
  op.y = op.x;
  op.rate = one_of<double>(random, {0.1, 0.5, 0.9});
  op.stream = static_cast<std::uint32_t>(pick(random, 0, 5));
  return op;
}

OpSpec noise(Random& random) {
  Noise op;
  op.x.shape = {pick(random, 1, 9), pick(random, 1, 9000)};
  op.y = op.x;
  op.kind = one_of<Noise::Kind>(random, {Noise::Kind::kAdded, Noise::Kind::kFactor});
  op.stddev = one_of<double>(random, {0.1, 0.5, 2.0});
  op.stream = static_cast<std::uint32_t>(pick(random, 0, 5));
  return op;
}

OpSpec param_value(Random& random) {
  return ParamValue{{{pick(random, 1, 5), pick(random, 1, 40)}}};
}

BatchNormTraining batch_norm(Random& random) {
  BatchNormTraining op;
  op.x.shape = one_of<Shape>(
      random, {{3, 9, 7, any_channels(random)}, {5, 7}, {2, 3, 4}, {pick(random, 1, 900), 17}});
  op.y = op.x;
  op.axis = one_of<std::size_t>(random, {1, op.x.shape.rank() - 1, op.x.shape.rank() - 1});
  op.statistics.shape = {2, op.x.shape.dims()[op.axis]};
  op.scale = pick(random, 0, 1) == 1;
  op.center = pick(random, 0, 1) == 1;
  op.activation = smooth(random);
  return op;
}

OpSpec statistics(Random& random) {
  const BatchNormTraining op = batch_norm(random);
  return BatchNormStatistics{op.x, op.statistics, op.axis};
}
OpSpec sums(Random& random) {
  const BatchNormTraining op = batch_norm(random);
  return BatchNormSums{op, op.statistics};
}
OpSpec norm_gradient(Random& random) {
  const BatchNormTraining op = batch_norm(random);
  return BatchNormGradient{op, op.statistics, op.x};
}

OpSpec kernel_gradient(Random& random) {
  auto op = forward<Conv2D>(convolution_rows(), random);
  op.bias = op.residual = false;
  op.activation = {};
  const Shape kernel{op.kernel[0], op.kernel[1], op.x.shape[3] / op.groups, op.y.shape[3]};
  return Conv2DKernelGradient{op, {kernel}};
}

/// 1x1 over some of the pixels, few channels; at times padding, which a ZeroPadding2D leaves there.
OpSpec strided_kernel_gradient(Random& random) {
  Conv2D op;
  op.strides = {pick(random, 1, 3), pick(random, 1, 3)};
  op.x.shape = {pick(random, 1, 3), pick(random, 1, 20), pick(random, 1, 20), pick(random, 1, 20)};
  op.y.shape = {op.x.shape[0], 0, 0, pick(random, 1, 20)};
  for (int i = 0; i < 2; ++i) {
    op.pad_before[i] = one_of<std::int64_t>(random, {0, 0, 0, 1, 4});
    op.pad_after[i] = one_of<std::int64_t>(random, {0, 0, 1, 2, 5});
    const std::int64_t padded = op.x.shape[i + 1] + op.pad_before[i] + op.pad_after[i];
    op.y.shape[i + 1] = (padded - 1) / op.strides[i] + 1;
  }
  return Conv2DKernelGradient{op, {{1, 1, op.x.shape[3], op.y.shape[3]}}};
}

/// What Conv2D's gradient with respect to a grouped input is.
OpSpec grouped_transpose(Random& random) {
  Conv2DTranspose op;
  op.groups = one_of<std::int64_t>(random, {2, 5, 16});
  op.kernel = {pick(random, 1, 3), pick(random, 1, 3)};
  op.strides = {pick(random, 1, 2), pick(random, 1, 2)};
  op.x.shape = {pick(random, 1, 2), pick(random, 3, 9), pick(random, 3, 9),
                op.groups * one_of<std::int64_t>(random, {1, 1, 2})};
  op.y.shape = {op.x.shape[0], (op.x.shape[1] - 1) * op.strides[0] + op.kernel[0],
                (op.x.shape[2] - 1) * op.strides[1] + op.kernel[1],
                op.groups * one_of<std::int64_t>(random, {1, 1, 3})};
  return op;
}

/// 3x3, many channels: the gradient that has an algorithm of its own.
OpSpec large_transpose(Random& random) {
  Conv2DTranspose op;
  op.kernel = {3, 3};
  op.pad_before = {pick(random, 0, 2), pick(random, 0, 2)};
  op.pad_after = {pick(random, 0, 2), pick(random, 0, 2)};
  op.x.shape = {pick(random, 2, 3), pick(random, 13, 19), pick(random, 13, 19),
                16 * pick(random, 1, 4)};
  op.y.shape = {op.x.shape[0], op.x.shape[1] + 2 - op.pad_before[0] - op.pad_after[0],
                op.x.shape[2] + 2 - op.pad_before[1] - op.pad_after[1], 16 * pick(random, 1, 4)};
  op.bias = pick(random, 0, 1) == 1;
  op.activation = one_of<Activation>(random, {{}, relu(), {Unary::kSilu}});
  return op;
}

OpSpec dense_kernel_gradient(Random& random) {
  auto op = forward<Dense>(convolution_rows(), random);
  op.bias = op.residual = op.transposed = false;
  op.activation = {};
  return DenseKernelGradient{op, {{op.x.shape[-1], op.y.shape[-1]}}};
}
OpSpec transposed_dense(Random& random) {
  auto op = forward<Dense>(convolution_rows(), random);
  op.transposed = true;
  return op;
}

OpSpec pool_gradient(Random& random) {
  const auto op = forward<Pool2D>(convolution_rows(), random);
  return Pool2DGradient{op, op.x};
}

OpSpec reduce_gradient(Random& random) {
  auto op = forward<Reduce>(normalization_rows(), random);
  if (pick(random, 0, 2) == 0) op.kind = Reduce::Kind::kSum;
  return ReduceGradient{op, op.x};
}
OpSpec reduce_sum(Random& random) {
  auto op = forward<Reduce>(normalization_rows(), random);
  op.kind = Reduce::Kind::kSum;
  return op;
}

/// What a bias receives from a large image: rows that threads share.
OpSpec bias_gradient(Random& random) {
  Reduce op;
  op.kind = one_of<Reduce::Kind>(random, {Reduce::Kind::kSum, Reduce::Kind::kMax});
  op.x.shape = {2, 40, pick(random, 40, 50), pick(random, 17, 64)};
  op.y.shape = {op.x.shape[3]};
  op.axes = {0, 1, 2};
  return op;
}

OpSpec unary_gradient(Random& random) {
  auto op = forward<UnaryOp>(pointwise_rows(), random);
  op.activation = random_activation(random);
  const bool from_output = derives_from_output(op.activation) && pick(random, 0, 1) == 1;
  return UnaryGradient{op, from_output, op.x};
}

/// Of a function that has values of positive numbers alone.
OpSpec positive_gradient(Random& random) {
  auto op = forward<UnaryOp>(pointwise_rows(), random);
  const Unary kind = one_of<Unary>(
      random, {Unary::kLog, Unary::kLog1p, Unary::kSqrt, Unary::kRsqrt, Unary::kPower});
  op.activation = {kind, 0.7};
  return UnaryGradient{op, false, op.x};
}

OpSpec binary_gradient(Random& random) {
  auto op = forward<BinaryOp>(pointwise_rows(), random);
  op.activation = {};
  return BinaryGradient{op, static_cast<std::size_t>(pick(random, 0, 1)), op.y};
}

OpSpec divide_gradient(Random& random) {
  auto op = std::get<BinaryGradient>(binary_gradient(random));
  op.of.kind = Binary::kDivide;
  return op;
}

OpSpec layer_norm_gradient(Random& random) {
  const auto op = forward<LayerNorm>(normalization_rows(), random);
  return LayerNormGradient{op, op.x};
}
OpSpec layer_norm_sums(Random& random) {
  const auto op = forward<LayerNorm>(normalization_rows(), random);
  Shape rows{2};
  for (const std::size_t axis : op.axes) rows.push_back(op.x.shape.dims()[axis]);
  return LayerNormSums{op, {rows}};
}

OpSpec softmax_gradient(Random& random) {
  const auto op = forward<Softmax>(normalization_rows(), random);
  return SoftmaxGradient{op, op.x};
}

OpSpec resize_gradient(Random& random) {
  const auto op = forward<Resize2D>(movement_rows(), random);
  return Resize2DGradient{op, op.x};
}

OpSpec gather_gradient(Random& random) {
  const auto op = forward<Gather>(movement_rows(), random);
  return GatherGradient{op, {{op.rows, op.y.shape[-1]}}};
}

}  // namespace

std::vector<Row> gradient_rows() {
  return {{"Dropout", dropout},
          {"Noise", noise},
          {"ParamValue", param_value},
          {"BatchNormStatistics", statistics},
          {"BatchNormTraining", [](Random& random) { return OpSpec(batch_norm(random)); }},
          {"BatchNormSums", sums},
          {"BatchNormGradient", norm_gradient},
          {"Conv2DKernelGradient", kernel_gradient},
          {"StridedConv2DKernelGradient", strided_kernel_gradient},
          {"GroupedConv2DTranspose", grouped_transpose},
          {"LargeConv2DTranspose", large_transpose},
          {"DenseKernelGradient", dense_kernel_gradient},
          {"TransposedDense", transposed_dense},
          {"Pool2DGradient", pool_gradient},
          {"ReduceGradient", reduce_gradient},
          {"ReduceSum", reduce_sum},
          {"BiasGradient", bias_gradient},
          {"UnaryGradient", unary_gradient},
          {"PositiveGradient", positive_gradient},
          {"BinaryGradient", binary_gradient},
          {"DivideGradient", divide_gradient},
          {"LayerNormGradient", layer_norm_gradient},
          {"LayerNormSums", layer_norm_sums},
          {"SoftmaxGradient", softmax_gradient},
          {"Resize2DGradient", resize_gradient},
          {"GatherGradient", gather_gradient}};
}

}  // namespace lamina::ops::contract

#include <algorithm>

#include "contract_rows.h"

namespace lamina::ops::contract {
namespace {

Pair pick_pair(Random& random, std::int64_t low, std::int64_t high) {
  return {pick(random, low, high), pick(random, low, high)};
}

/// Chooses kernel, strides, dilation, paddings and input size, and from them the output's size.
void choose_geometry(Conv2D& op, Random& random, std::int64_t filters) {
  op.kernel = pick_pair(random, 1, 4);
  op.strides = pick_pair(random, 1, 3);
  op.dilation = one_of<Pair>(random, {{1, 1}, {1, 1}, {2, 1}, {2, 3}});
  op.y.shape = {op.x.shape[0], 0, 0, filters};
  for (int i = 0; i < 2; ++i) {
    const std::int64_t extent = (op.kernel[i] - 1) * op.dilation[i] + 1;
    op.pad_before[i] = pick(random, 0, extent - 1);
    op.pad_after[i] = pick(random, 0, extent - 1);
    std::int64_t& size = op.x.shape[i + 1];
    size = std::max(size, extent - op.pad_before[i] - op.pad_after[i]);
    op.y.shape[i + 1] = (size + op.pad_before[i] + op.pad_after[i] - extent) / op.strides[i] + 1;
  }
}

void choose_epilogue(Conv2D& op, Random& random) {
  op.bias = pick(random, 0, 1) == 1;
  op.residual = pick(random, 0, 1) == 1;
  op.activation = random_activation(random);
}

OpSpec plain(Random& random) {
  Conv2D op;
  op.x.shape = {pick(random, 1, 2), pick(random, 1, 12), pick(random, 1, 12),
                one_of<std::int64_t>(random, {1, 3, 4, 16, 24, 33})};
  choose_geometry(op, random, one_of<std::int64_t>(random, {1, 2, 5, 8, 16, 32, 40}));
  choose_epilogue(op, random);
  return op;
}

/// A few pixels under far more padding than kernels, wide and dilated, reach over: some outputs see
/// nothing else.
OpSpec barely_reaching(Random& random) {
  Conv2D op;
  op.x.shape = {1, pick(random, 1, 2), pick(random, 1, 8),
                one_of<std::int64_t>(random, {1, 3, 16})};
  op.kernel = pick_pair(random, 1, 4);
  op.dilation = pick_pair(random, 1, 3);
  op.strides = pick_pair(random, 1, 3);
  op.y.shape = {1, 0, 0, one_of<std::int64_t>(random, {1, 8, 32})};
  for (int i = 0; i < 2; ++i) {
    const std::int64_t extent = (op.kernel[i] - 1) * op.dilation[i] + 1;
    op.pad_before[i] = pick(random, 0, 2) + extent - 1;
    op.pad_after[i] = pick(random, 0, 2) + extent - 1;
    const std::int64_t padded = op.x.shape[i + 1] + op.pad_before[i] + op.pad_after[i];
    op.y.shape[i + 1] = (padded - extent) / op.strides[i] + 1;
  }
  choose_epilogue(op, random);
  return op;
}

OpSpec pointwise_convolution(Random& random) {
  Conv2D op;
  op.x.shape = {pick(random, 1, 3), pick(random, 1, 9), pick(random, 1, 9), pick(random, 1, 96)};
  op.y.shape = op.x.shape;
  op.y.shape[3] = pick(random, 1, 96);
  choose_epilogue(op, random);
  return op;
}

OpSpec depthwise(Random& random) {
  Conv2D op;
  op.groups = one_of<std::int64_t>(random, {2, 3, 8, 16, 19, 32});
  op.x.shape = {pick(random, 1, 2), pick(random, 1, 11), pick(random, 1, 11), op.groups};
  choose_geometry(op, random, op.groups * one_of<std::int64_t>(random, {1, 1, 1, 2, 3}));
  choose_epilogue(op, random);
  return op;
}

OpSpec grouped(Random& random) {
  Conv2D op;
  op.groups = one_of<std::int64_t>(random, {2, 3, 4});
  op.x.shape = {pick(random, 1, 2), pick(random, 1, 9), pick(random, 1, 9),
                op.groups * one_of<std::int64_t>(random, {2, 3, 8, 16})};
  choose_geometry(op, random, op.groups * one_of<std::int64_t>(random, {1, 2, 5, 16}));
  choose_epilogue(op, random);
  return op;
}

/// `most_cropped`: how many rows more than a kernel's own overlap may go at either end, as in the
/// gradient behind a ZeroPadding2D.
OpSpec transposed(Random& random, std::int64_t most_cropped) {
  Conv2DTranspose op;
  op.x.shape = {pick(random, 1, 2), pick(random, 1, 7), pick(random, 1, 7),
                one_of<std::int64_t>(random, {1, 3, 8, 16})};
  op.kernel = pick_pair(random, 1, 4);
  op.strides = pick_pair(random, 1, 3);
  op.dilation = one_of<Pair>(random, {{1, 1}, {1, 1}, {2, 2}});
  op.y.shape = {op.x.shape[0], 0, 0, one_of<std::int64_t>(random, {1, 2, 8, 17})};
  for (int i = 0; i < 2; ++i) {
    const std::int64_t extent = (op.kernel[i] - 1) * op.dilation[i] + 1;
    const std::int64_t full = (op.x.shape[i + 1] - 1) * op.strides[i] + extent;
    op.pad_before[i] = std::min(pick(random, 0, extent - 1 + most_cropped), full - 1);
    const std::int64_t most = std::min(extent - 1 + most_cropped, full - 1 - op.pad_before[i]);
    op.pad_after[i] = pick(random, -(op.strides[i] - 1), most);
    op.y.shape[i + 1] = full - op.pad_before[i] - op.pad_after[i];
  }
  op.bias = pick(random, 0, 1) == 1;
  op.activation = random_activation(random);
  return op;
}

OpSpec dense(Random& random) {
  Dense op;
  op.x.shape = one_of<Shape>(random, {{1, 40}, {3, 17}, {2, 5, 8}, {2, 3, 2, 64}, {33, 1}, {7}});
  op.y.shape = op.x.shape;
  op.y.shape[-1] = one_of<std::int64_t>(random, {1, 3, 16, 65});
  op.bias = pick(random, 0, 1) == 1;
  op.residual = pick(random, 0, 1) == 1;
  op.activation = random_activation(random);
  return op;
}

/// Products as attention has them, matrices of one row or column, and no leading axes.
OpSpec matmul(Random& random) {
  MatMul op;
  const auto size = [&] { return one_of<std::int64_t>(random, {1, 2, 7, 8, 16, 33, 64}); };
  const std::int64_t rows = size(), columns = size(), depth = size();
  op.transpose_x0 = pick(random, 0, 1) == 1;
  op.transpose_x1 = pick(random, 0, 1) == 1;
  op.scale = one_of<double>(random, {1, 0.125, -0.7});
  const auto matrices = [&](std::int64_t m, std::int64_t n, bool transposed) {
    return transposed ? Shape{n, m} : Shape{m, n};
  };
  op.x0.shape = matrices(rows, depth, op.transpose_x0);
  op.x1.shape = matrices(depth, columns, op.transpose_x1);
  op.y.shape = {rows, columns};
  for (std::int64_t axes = pick(random, 0, 2); axes > 0; --axes) {
    const std::int64_t count = pick(random, 1, 3);
    for (Shape* shape : {&op.x0.shape, &op.x1.shape, &op.y.shape}) {
      std::vector<std::int64_t> dims = shape->dims();
      dims.insert(dims.begin(), count);
      *shape = Shape(std::move(dims));
    }
  }
  return op;
}

OpSpec pool(Random& random, Pool2D::Kind kind) {
  Pool2D op;
  op.kind = kind;
  op.x.shape = {pick(random, 1, 2), pick(random, 3, 12), pick(random, 3, 12),
                one_of<std::int64_t>(random, {1, 3, 16, 21})};
  op.window = pick_pair(random, 1, 3);
  op.strides = pick_pair(random, 1, 3);
  op.y.shape = op.x.shape;
  for (int i = 0; i < 2; ++i) {
    op.pad_before[i] = pick(random, 0, op.window[i] - 1);
    op.pad_after[i] = pick(random, 0, op.window[i] - 1);
    const std::int64_t padded = op.x.shape[i + 1] + op.pad_before[i] + op.pad_after[i];
    op.y.shape[i + 1] = (padded - op.window[i]) / op.strides[i] + 1;
  }
  return op;
}

}  // namespace

std::vector<Row> convolution_rows() {
  return {{"Convolution", plain},
          {"BarelyReachingConvolution", barely_reaching},
          {"PointwiseConvolution", pointwise_convolution},
          {"DepthwiseConvolution", depthwise},
          {"GroupedConvolution", grouped},
          {"TransposedConvolution", [](Random& random) { return transposed(random, 0); }},
          {"CroppedTransposedConvolution", [](Random& random) { return transposed(random, 6); }},
          {"Dense", dense},
          {"MatMul", matmul},
          {"MaxPool", [](Random& random) { return pool(random, Pool2D::Kind::kMax); }},
          {"AveragePool", [](Random& random) { return pool(random, Pool2D::Kind::kAverage); }}};
}

}  // namespace lamina::ops::contract

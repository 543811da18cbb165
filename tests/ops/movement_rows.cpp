#include <algorithm>
#include <numeric>

#include "contract_rows.h"

namespace lamina::ops::contract {
namespace {

Shape any_shape(Random& random) {
  Shape shape;
  for (std::int64_t rank = pick(random, 1, 4); rank > 0; --rank)
    shape.push_back(pick(random, 1, 9));
  return shape;
}

OpSpec concat(Random& random) {
  Concat op;
  op.y.shape = any_shape(random);
  op.axis =
      static_cast<std::size_t>(pick(random, 0, static_cast<std::int64_t>(op.y.shape.rank()) - 1));
  const auto axis = static_cast<std::int64_t>(op.axis);
  op.y.shape[axis] = 0;
  for (std::int64_t count = pick(random, 1, 4); count > 0; --count) {
    TensorSpec x{op.y.shape};
    x.shape[axis] = pick(random, 1, 9);
    op.xs.push_back(x);
  }
  for (const TensorSpec& x : op.xs) op.y.shape[axis] += x.shape[axis];
  return op;
}

OpSpec pad(Random& random) {
  Pad op;
  op.x.shape = any_shape(random);
  op.value = one_of<double>(random, {0, 0, -1.5});
  for (const std::int64_t dim : op.x.shape) {
    op.before.push_back(pick(random, -(dim - 1) / 2, 3));
    op.after.push_back(pick(random, -(dim - 1) / 2, 3));
    op.y.shape.push_back(op.before.back() + dim + op.after.back());
  }
  return op;
}

OpSpec resize(Random& random, Resize2D::Kind kind) {
  Resize2D op;
  op.kind = kind;
  op.antialias = pick(random, 0, 1) == 1;
  op.x.shape = {pick(random, 1, 2), pick(random, 1, 9), pick(random, 1, 9), pick(random, 1, 20)};
  op.y.shape = op.x.shape;
  const bool whole = pick(random, 0, 1) == 0;  // UpSampling2D's case
  for (int i = 1; i <= 2; ++i) {
    op.y.shape[i] = whole ? op.x.shape[i] * pick(random, 1, 3) : pick(random, 1, 20);
  }
  return op;
}

OpSpec transpose(Random& random) {
  Transpose op;
  op.x.shape = any_shape(random);
  op.perm.resize(op.x.shape.rank());
  std::iota(op.perm.begin(), op.perm.end(), 0);
  std::shuffle(op.perm.begin(), op.perm.end(), random);
  for (const std::size_t axis : op.perm) op.y.shape.push_back(op.x.shape.dims()[axis]);
  return op;
}

OpSpec reshape(Random& random) {
  Reshape op;
  op.x.shape = any_shape(random);
  op.y.shape = {op.x.shape.size(), 1};
  return op;
}

OpSpec gather(Random& random) {
  Gather op;
  op.rows = pick(random, 1, one_of<std::int64_t>(random, {12, 2000}));
  op.ids = {any_shape(random), one_of<DType>(random, {DType::kInt32, DType::kInt64, DType::kUInt8,
                                                      DType::kFloat32, DType::kFloat16})};
  op.y.shape = op.ids.shape;
  op.y.shape.push_back(pick(random, 1, 9));
  return op;
}

OpSpec gather_of_value(Random& random) {
  auto op = std::get<Gather>(gather(random));
  op.flows = true;
  return op;
}

OpSpec argsort(Random& random) {
  Argsort op;
  op.x.shape = any_shape(random);
  op.x.shape[-1] = pick(random, 1, one_of<std::int64_t>(random, {9, 32, 700}));
  op.y = {op.x.shape, DType::kInt32};
  op.descending = pick(random, 0, 1) == 1;
  return op;
}

}  // namespace

std::vector<Row> movement_rows() {
  const auto resizing = [](Resize2D::Kind kind) {
    return [kind](Random& random) { return resize(random, kind); };
  };
  return {{"Concat", concat},
          {"Pad", pad},
          {"ResizeNearest", resizing(Resize2D::Kind::kNearest)},
          {"ResizeBilinear", resizing(Resize2D::Kind::kBilinear)},
          {"ResizeBicubic", resizing(Resize2D::Kind::kBicubic)},
          {"ResizeLanczos3", resizing(Resize2D::Kind::kLanczos3)},
          {"ResizeLanczos5", resizing(Resize2D::Kind::kLanczos5)},
          {"Transpose", transpose},
          {"Reshape", reshape},
          {"Gather", gather},
          {"GatherOfValue", gather_of_value},
          {"Argsort", argsort}};
}

}  // namespace lamina::ops::contract

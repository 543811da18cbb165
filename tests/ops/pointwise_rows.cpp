#include "contract_rows.h"

namespace lamina::ops::contract {
namespace {

Shape any_shape(Random& random) {
  return one_of<Shape>(random, {{},
                                {1},
                                {pick(random, 1, 40000)},
                                {3, pick(random, 1, 50)},
                                {2, 5, 4, pick(random, 1, 40)}});
}

OpSpec unary(Random& random) {
  UnaryOp op;
  op.x.shape = any_shape(random);
  op.y = op.x;
  op.activation = random_activation(random);
  return op;
}

OpSpec each_unary(Random& random, Activation activation) {
  UnaryOp op;
  op.x.shape = any_shape(random);
  op.y = op.x;
  op.activation = activation;
  return op;
}

/// An operand that broadcasts to `y`: dimensions made 1, or dropped from the front.
Shape broadcastable(const Shape& y, Random& random) {
  std::vector<std::int64_t> dims = y.dims();
  for (std::int64_t& dim : dims) {
    if (pick(random, 0, 2) == 0) dim = 1;
  }
  const std::int64_t dropped = pick(random, 0, static_cast<std::int64_t>(dims.size()));
  if (pick(random, 0, 2) == 0) dims.erase(dims.begin(), dims.begin() + dropped);
  return Shape(dims);
}

OpSpec binary(Random& random, Binary kind) {
  BinaryOp op;
  op.kind = kind;
  op.y.shape = any_shape(random);
  op.x0.shape = op.x1.shape = op.y.shape;
  if (pick(random, 0, 2) != 0) {
    (pick(random, 0, 1) == 0 ? op.x0 : op.x1).shape = broadcastable(op.y.shape, random);
  }
  if (kind != Binary::kDivide) op.activation = random_activation(random);
  return op;
}

/// What squeeze-and-excite does.
OpSpec scale_channels(Random& random) {
  BinaryOp op;
  op.kind = Binary::kMultiply;
  op.x0.shape = {pick(random, 1, 3), pick(random, 1, 20), pick(random, 1, 20),
                 pick(random, 1, 100)};
  op.x1.shape = {op.x0.shape[0], 1, 1, op.x0.shape[3]};
  op.y = op.x0;
  return op;
}

/// Both operands are repeated, along different dimensions.
OpSpec outer_product(Random& random) {
  BinaryOp op;
  op.y.shape = {pick(random, 1, 5), pick(random, 1, 6), pick(random, 1, 7)};
  op.x0.shape = {op.y.shape[0], 1, op.y.shape[2]};
  op.x1.shape = {op.y.shape[1], 1};
  op.kind = Binary::kSubtract;
  return op;
}

}  // namespace

std::vector<Row> pointwise_rows() {
  std::vector<Row> rows{
      {"Unary", unary}, {"ScaleChannels", scale_channels}, {"OuterProduct", outer_product}};
#define LAMINA_UNARY(enumerator, name, functor)                                                   \
  rows.push_back({"Unary_" name, [](Random& random) {                                             \
                    const bool relu_like = Unary::enumerator == Unary::kRelu;                     \
                    return each_unary(                                                            \
                        random, relu_like ? relu(0.1) : Activation{Unary::enumerator, 0.7, 0.3}); \
                  }});
#define LAMINA_BINARY(enumerator, name, functor) \
  rows.push_back(                                \
      {"Binary_" name, [](Random& random) { return binary(random, Binary::enumerator); }});
#include "kernels/elementwise.def"
#undef LAMINA_UNARY
#undef LAMINA_BINARY
  return rows;
}

}  // namespace lamina::ops::contract

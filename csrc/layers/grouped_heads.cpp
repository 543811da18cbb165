#include "layers/grouped_heads.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;

/// (batch, heads, targets, columns) by groups: (batch, groups, rows, columns).
ValueId by_groups(Builder& builder, ValueId x, std::int64_t groups) {
  const Shape shape = builder.shape(x);
  return builder.reshape(x, {shape[0], groups, shape[1] / groups * shape[2], shape[3]});
}

}  // namespace

ValueId grouped_scores(Builder& builder, ValueId q, ValueId k, double scale, DType dtype) {
  const Shape queries = builder.shape(q), keys = builder.shape(k);
  ops::MatMul product;
  product.transpose_x1 = true;
  product.scale = scale;
  const ValueId scores =
      builder.matmul(by_groups(builder, q, keys[1]), k, std::move(product), dtype);
  return builder.reshape(scores, {queries[0], queries[1], queries[2], keys[2]});
}

ValueId grouped_values(Builder& builder, ValueId weights, ValueId v, DType dtype) {
  const Shape shape = builder.shape(weights), values = builder.shape(v);
  const ValueId y = builder.matmul(by_groups(builder, weights, values[1]), v, {}, dtype);
  return builder.transpose(builder.reshape(y, {shape[0], shape[1], shape[2], values[3]}),
                           {0, 2, 1, 3});
}

}  // namespace lamina::layers

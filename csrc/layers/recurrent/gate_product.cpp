#include "layers/recurrent/gate_product.h"

namespace lamina::layers {

using graph::Builder;
using graph::ValueId;

ValueId kernel_by_gate(Builder& builder, ValueId kernel, std::int64_t gates) {
  const Shape shape = builder.shape(kernel);
  const ValueId split = builder.reshape(kernel, {shape[0], gates, shape[1] / gates});
  return builder.transpose(split, {1, 0, 2});
}

ValueId product_by_gate(Builder& builder, ValueId x, ValueId kernel) {
  const ValueId y = builder.transpose(builder.matmul(x, kernel, {}, builder.dtype(x)), {1, 0, 2});
  const Shape shape = builder.shape(y);
  return builder.reshape(y, {shape[0], shape[1] * shape[2]});
}

GateProduct::GateProduct(Builder& builder, ValueId kernel, std::int64_t gates,
                         std::optional<ValueId> masks)
    : builder_(builder),
      masks_(masks),
      kernel_(masks ? kernel_by_gate(builder, kernel, gates) : kernel) {}

ValueId GateProduct::operator()(ValueId x) const {
  if (!masks_) return builder_.matmul(x, kernel_, {}, builder_.dtype(x));
  return product_by_gate(builder_, builder_.binary(ops::Binary::kMultiply, *masks_, x), kernel_);
}

}  // namespace lamina::layers

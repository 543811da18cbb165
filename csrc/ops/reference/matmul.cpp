#include "ops/reference/element.h"
#include "ops/reference/evaluate.h"

namespace lamina::ops::reference {

void evaluate(const MatMul& op, const Operands& operands) {
  const MatMulSizes sizes(op);
  const std::int64_t rows = sizes.rows, columns = sizes.columns, depth = sizes.depth;
  dispatch_float(op.x0.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    for (std::int64_t i = 0; i < op.y.shape.size(); ++i) {
      const std::int64_t column = i % columns, row = i / columns % rows;
      const std::int64_t matrix = i / columns / rows;
      const T* x0 = operands.input<T>(0) + matrix * rows * depth;
      const T* x1 = operands.input<T>(1) + matrix * depth * columns;
      C sum = 0;
      for (std::int64_t k = 0; k < depth; ++k) {
        sum += widen(x0[op.transpose_x0 ? k * rows + row : row * depth + k]) *
               widen(x1[op.transpose_x1 ? column * depth + k : k * columns + column]);
      }
      const C value = static_cast<C>(op.scale) * sum;
      if (op.y.dtype == op.x0.dtype) {
        operands.output<T>()[i] = narrow<T>(value);
      } else {
        operands.output<C>()[i] = value;
      }
    }
  });
}

}  // namespace lamina::ops::reference

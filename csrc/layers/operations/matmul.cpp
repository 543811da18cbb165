// Products of matrices, as numpy has them.
#include "layers/operations/operations.h"
#include "layers/operations/parts.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;

/// The axes before a matrix's.
Shape leading(const Shape& shape) {
  return Shape(std::vector<std::int64_t>(shape.begin(), shape.end() - 2));
}
Shape behind(Shape shape, std::int64_t rows, std::int64_t columns) {
  shape.push_back(rows);
  shape.push_back(columns);
  return shape;
}

class Matmul final : public Operation {
 public:
  explicit Matmul(OperationForm form) : Operation(std::move(form), Operands::kTwo, {}) {
    if (this->form().tensors != 2) unsupported("a number");
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    const Shape a = as_matrix(x.at(0), true), b = as_matrix(x.at(1), false);
    if (a[-1] != b[-2] && a[-1] != kNone && b[-2] != kNone) {
      fail(
          "Inner dimensions (`x1.shape[-1]` and `x2.shape[-2]`) must be equal, but received "
          "`x1.shape=" +
          x[0].str() + "` and `x2.shape=" + x[1].str() + "`.");
    }
    Shape out = broadcast(leading(a), leading(b));
    if (x[0].rank() > 1) out.push_back(a[-2]);
    if (x[1].rank() > 1) out.push_back(b[-1]);
    return out;
  }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    const DType dtype = promoted(x.at(0), x.at(1));
    if (!is_floating(dtype)) unsupported("a product of integers");
    return dtype;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const ops::TensorSpec spec = result(builder, x);
    ValueId a = builder.cast(x[0], spec.dtype), b = builder.cast(x[1], spec.dtype);
    a = builder.reshape(a, as_matrix(builder.shape(a), true));
    b = builder.reshape(b, as_matrix(builder.shape(b), false));
    const Shape first = builder.shape(a), second = builder.shape(b);
    if (second.rank() == 2 && first.rank() > 2) {  // one product of all rows
      const Shape of_all = leading(first);
      a = builder.reshape(a, {of_all.size() * first[-2], first[-1]});
    } else {
      const Shape all = broadcast(leading(first), leading(second));
      a = repeated_to(builder, a, behind(all, first[-2], first[-1]));
      b = repeated_to(builder, b, behind(all, second[-2], second[-1]));
    }
    return builder.reshape(builder.matmul(a, b, {}, spec.dtype), spec.shape);
  }

 private:
  /// A vector is a row before the product, and a column behind it.
  [[nodiscard]] Shape as_matrix(const Shape& shape, bool first) const {
    if (shape.rank() == 0) fail("`matmul` takes no scalars.");
    if (shape.rank() > 1) return shape;
    return first ? Shape{1, shape[0]} : Shape{shape[0], 1};
  }
};

}  // namespace

OperationRows matmul_operations() {
  return {operation_row<Matmul>("Matmul", kNumpyOps)};
}

}  // namespace lamina::layers

namespace lamina::ops {

SymbolicTensor matmul(const SymbolicTensor& x1, const SymbolicTensor& x2) {
  return layers::call_on_operands("Matmul", {x1, x2});
}

}  // namespace lamina::ops

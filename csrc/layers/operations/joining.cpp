// Several tensors as one.
#include "layers/operations/joining.h"

#include "layers/operations/operations.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {

using graph::Builder;
using graph::ValueId;

ValueId joined(Builder& builder, const std::vector<ValueId>& xs, std::size_t axis) {
  if (xs.size() == 1) return xs[0];
  ops::Concat op;
  op.y = builder.spec(xs.at(0));
  op.axis = axis;
  std::int64_t& total = op.y.shape[static_cast<std::int64_t>(axis)] = 0;
  for (const ValueId x : xs) {
    op.xs.push_back(builder.spec(x));
    total += op.xs.back().shape.dims()[axis];
  }
  return builder.emit(std::move(op), xs);
}

namespace {

/// Concatenate and Stack: of shapes that are alike, but for the axis where they are laid one after
/// another.
class Joining : public Operation {
 public:
  explicit Joining(OperationForm form)
      : Operation(std::move(form), Operands::kList, {"axis"}), axis_(integer("axis", 0)) {}
  /// Of a class whose name says the axis.
  Joining(OperationForm form, std::int64_t axis)
      : Operation(std::move(form), Operands::kList, {}), axis_(axis) {}

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const final {
    return promoted_operands(nlohmann::json::array(), x);
  }
  [[nodiscard]] Ids of_one_dtype(Builder& builder, const Ids& x) const {
    const DType dtype = result(builder, x).dtype;
    Ids out;
    for (const ValueId id : x) out.push_back(builder.cast(id, dtype));
    return out;
  }
  /// Whether one fits the first; where both are known they are equal.
  [[nodiscard]] static bool alike(const Shape& a, const Shape& b,
                                  std::optional<std::size_t> but_for = {}) {
    bool fits = a.rank() == b.rank();
    for (std::size_t i = 0; fits && i < a.rank(); ++i) {
      const std::int64_t da = a.dims()[i], db = b.dims()[i];
      fits = i == but_for || da == db || da == kNone || db == kNone;
    }
    return fits;
  }
  [[nodiscard]] std::int64_t axis() const noexcept { return axis_; }

 private:
  std::int64_t axis_;
};

class Concatenate : public Joining {
 public:
  using Joining::Joining;

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    const std::size_t at = axis_index(axis(), x.at(0).rank());
    std::int64_t total = 0;
    for (const Shape& each : x) {
      if (!alike(each, x[0], at)) {
        fail(
            "Every value in `xs` must have the same shape except on the `axis` dim. But found "
            "element of shape " +
            each.str() + ", which is different from the first element's shape " + x[0].str() + ".");
      }
      const std::int64_t dim = each.dims()[at];
      total = total == kNone || dim == kNone ? kNone : total + dim;
    }
    Shape out = x[0];
    out[static_cast<std::int64_t>(at)] = total;
    return out;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    return joined(builder, of_one_dtype(builder, x),
                  axis_index(axis(), builder.shape(x[0]).rank()));
  }
};

/// Hstack and Vstack. (Keras's results of vectors are not of the shapes that it says they have.)
class Beside final : public Concatenate {
 public:
  using Concatenate::Concatenate;

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    if (x.at(0).rank() < 2) unsupported("a tensor of less than two axes");
    return Concatenate::shape(x);
  }
};

class Stack final : public Joining {
 public:
  using Joining::Joining;

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    for (const Shape& each : x) {
      if (!alike(each, x[0])) {
        fail("Every value in `x` must have the same shape. But found element of shape " +
             each.str() + ", which is different from the first element's shape " + x[0].str() +
             ".");
      }
    }
    return with_axis(x.at(0), static_cast<std::int64_t>(x.size()));
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    Ids parts = of_one_dtype(builder, x);
    for (ValueId& part : parts) part = builder.reshape(part, with_axis(builder.shape(part), 1));
    return joined(builder, parts, axis_index(axis(), builder.shape(parts[0]).rank()));
  }

 private:
  [[nodiscard]] Shape with_axis(const Shape& shape, std::int64_t size) const {
    std::vector<std::int64_t> dims = shape.dims();
    const std::size_t at = axis_index(axis(), dims.size() + 1);
    dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(at), size);
    return Shape(std::move(dims));
  }
};

}  // namespace

OperationRows joining_operations() {
  return {operation_row<Concatenate>("Concatenate", kNumpyOps),
          operation_row<Beside>("Hstack", kNumpyOps, std::int64_t{1}),
          operation_row<Beside>("Vstack", kNumpyOps, std::int64_t{0}),
          operation_row<Stack>("Stack", kNumpyOps)};
}

}  // namespace lamina::layers

namespace lamina::ops {

SymbolicTensor concatenate(const SymbolicTensors& xs, std::int64_t axis) {
  return layers::call_on_list("Concatenate", xs, {{"axis", axis}});
}
SymbolicTensor hstack(const SymbolicTensors& xs) {
  return layers::call_on_list("Hstack", xs);
}
SymbolicTensor vstack(const SymbolicTensors& xs) {
  return layers::call_on_list("Vstack", xs);
}
SymbolicTensor stack(const SymbolicTensors& x, std::int64_t axis) {
  return layers::call_on_list("Stack", x, {{"axis", axis}});
}

}  // namespace lamina::ops

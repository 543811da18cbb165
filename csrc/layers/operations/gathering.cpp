// What indices choose: constant ones, and tensors of them.
#include "layers/operations/operations.h"
#include "layers/operations/parts.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;
using nlohmann::json;
using ops::Binary;

/// Indices as Keras writes them: a number, or lists of them, bare or as an array of numpy's.
struct Indices {
  Shape shape;
  std::vector<std::int64_t> values;

  /// False where it is none such.
  [[nodiscard]] bool read(const json& given) {
    const json* list = &given;
    if (given.is_object()) {
      const json kind = given.value("class_name", json());
      if (kind != "__numpy__" && kind != "__tensor__") return false;
      if (!given.contains("config") || !given["config"].contains("value")) return false;
      list = &given["config"]["value"];
    }
    for (const json* inner = list; inner->is_array(); inner = &inner->front()) {
      shape.push_back(static_cast<std::int64_t>(inner->size()));
      if (inner->empty()) return false;
    }
    return append(*list, 0);
  }

 private:
  bool append(const json& list, std::size_t depth) {
    if (depth == shape.rank()) {
      if (!list.is_number_integer()) return false;
      values.push_back(list.get<std::int64_t>());
      return true;
    }
    if (!list.is_array() || static_cast<std::int64_t>(list.size()) != shape.dims()[depth]) {
      return false;
    }
    for (const json& item : list) {
      if (!append(item, depth + 1)) return false;
    }
    return true;
  }
};

/// Indices of an axis, which may count from behind, as rows of a table: `offsets` are those of
/// index 0, `step` rows lie between two. What the axis does not have is no row, which Gather
/// refuses.
ValueId rows_of(Builder& builder, ValueId indices, std::int64_t size, ValueId offsets,
                std::int64_t step) {
  const auto number = [&](std::int64_t value) {
    return constant(builder, static_cast<double>(value), DType::kInt64);
  };
  const auto of = [&](Binary kind, ValueId a, ValueId b) { return builder.binary(kind, a, b); };
  ValueId at = builder.cast(indices, DType::kInt64);
  const ValueId behind = of(Binary::kGreater, number(0), at);
  at = of(Binary::kAdd, at, of(Binary::kMultiply, behind, number(size)));
  const ValueId inside = of(Binary::kMultiply, of(Binary::kGreaterEqual, at, number(0)),
                            of(Binary::kGreater, number(size), at));
  if (step != 1) at = of(Binary::kMultiply, at, number(step));
  at = of(Binary::kAdd, of(Binary::kAdd, at, number(1)), offsets);
  return of(Binary::kSubtract, of(Binary::kMultiply, at, inside), number(1));
}

/// With an axis: of x as it is; without: of all its elements in a row.
class Gathering : public Operation {
 public:
  explicit Gathering(OperationForm form) : Operation(std::move(form), Operands::kOthers, {"axis"}) {
    const json& args = this->form().args;
    if (args.size() != 2 || !is_tensor_argument(args[0])) unsupported("what it is called with");
    (void)integer("axis", 0);
  }

 protected:
  [[nodiscard]] bool flat() const { return option("axis").is_null(); }
  [[nodiscard]] Shape seen(const Shape& x) const {
    if (!flat()) return x;
    return x.is_known() ? Shape{x.size()} : Shape{kNone};
  }
  [[nodiscard]] std::size_t axis(std::size_t rank) const {
    return axis_index(integer("axis", 0), rank);
  }
  /// That of the tensor, whatever the indices have.
  [[nodiscard]] DType dtype(const DTypes& x) const final {
    if (x.size() > 1 && (is_floating(x[1]) || x[1] == DType::kBool)) {
      unsupported(std::string("indices of the dtype ").append(dtype_name(x[1])));
    }
    return x.at(0);
  }
};

/// Of one axis the elements with indices that are numbers, or in tensors.
class Take final : public Gathering {
 public:
  explicit Take(OperationForm form) : Gathering(std::move(form)) {
    const json& given = this->form().args[1];
    if (!is_tensor_argument(given) && !indices_.read(given)) {
      unsupported("what is no list of indices");
    }
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    const Shape from = seen(x.at(0));
    const std::size_t at = axis(from.rank());
    for (const std::int64_t index : indices_.values) (void)within(index, from.dims()[at]);
    Shape out;
    for (std::size_t i = 0; i < from.rank(); ++i) {
      if (i != at) {
        out.push_back(from.dims()[i]);
        continue;
      }
      for (const std::int64_t dim : x.size() > 1 ? x[1] : indices_.shape) out.push_back(dim);
    }
    return out;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const ValueId from = builder.reshape(x[0], seen(builder.shape(x[0])));
    const std::size_t at = axis(builder.shape(from).rank());
    Shape to = result(builder, x).shape;
    if (x.size() > 1) return of_tensor(builder, from, at, x[1], std::move(to));
    std::vector<std::int64_t> indices;
    for (const std::int64_t index : indices_.values) {
      indices.push_back(within(index, builder.shape(from).dims()[at]));
    }
    const ValueId y = indices.size() == 1 ? cropped(builder, from, at, indices[0], 1)
                                          : chosen(builder, from, at, indices);
    return builder.reshape(y, std::move(to));
  }

 private:
  /// A row of the table for each place before the axis.
  [[nodiscard]] static ValueId of_tensor(Builder& builder, ValueId from, std::size_t at,
                                         ValueId indices, Shape to) {
    const Around around(builder.shape(from), at);
    std::vector<double> offsets;
    for (std::int64_t i = 0; i < around.before; ++i) {
      offsets.push_back(static_cast<double>(i * around.size));
    }
    indices = builder.reshape(indices, {1, builder.shape(indices).size()});
    const ValueId rows =
        rows_of(builder, indices, around.size,
                numbers(builder, std::move(offsets), {{around.before, 1}, DType::kInt64}), 1);
    return gathered(builder, from, rows, around.behind, std::move(to));
  }
  [[nodiscard]] std::int64_t within(std::int64_t index, std::int64_t size) const {
    if (size == kNone) return index;
    if (index < -size || index >= size) {
      fail("index " + std::to_string(index) + " is out of bounds for an axis of size " +
           std::to_string(size) + ".");
    }
    return index < 0 ? index + size : index;
  }

  Indices indices_;
};

class TakeAlongAxis final : public Gathering {
 public:
  explicit TakeAlongAxis(OperationForm form) : Gathering(std::move(form)) {
    if (this->form().tensors != 2) unsupported("indices that are no tensor");
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    Shape from = seen(x.at(0));
    const Shape& indices = x.at(1);
    if (from.rank() != indices.rank()) {
      fail("`x` and `indices` must have the same number of dimensions, but receive shape " +
           from.str() + " and " + indices.str() + ".");
    }
    const std::size_t at = axis(from.rank());
    from[static_cast<std::int64_t>(at)] = indices.dims()[at];
    return broadcast(from, indices);
  }
  /// Each element is a row of its own.
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const ValueId from = builder.reshape(x[0], seen(builder.shape(x[0])));
    const Shape shape = builder.shape(from);
    const std::size_t at = axis(shape.rank());
    Shape to = result(builder, x).shape;
    const ValueId rows = rows_of(builder, x[1], shape.dims()[at], offsets(builder, shape, to, at),
                                 Around(shape, at).behind);
    return gathered(builder, from, rows, 1, std::move(to));
  }

 private:
  /// Where each element of `to` is taken from, were its index 0.
  [[nodiscard]] static ValueId offsets(Builder& builder, const Shape& from, const Shape& to,
                                       std::size_t at) {
    ValueId sum = constant(builder, 0, DType::kInt64);
    std::int64_t stride = 1;
    for (std::size_t i = from.rank(); i-- > 0;) {
      if (i != at && from.dims()[i] != 1) {
        const ValueId steps = builder.binary(
            Binary::kMultiply, counted(builder, to.dims()[i], i, to.rank(), DType::kInt64),
            constant(builder, static_cast<double>(stride), DType::kInt64));
        sum = builder.binary(Binary::kAdd, sum, steps);
      }
      stride *= from.dims()[i];
    }
    return sum;
  }
};

}  // namespace

OperationRows gathering_operations() {
  return {operation_row<Take>("Take", kNumpyOps),
          operation_row<TakeAlongAxis>("TakeAlongAxis", kNumpyOps)};
}

}  // namespace lamina::layers

namespace lamina::ops {
namespace {

using layers::tensor_argument;
using nlohmann::json;

json axis_or_null(const std::optional<std::int64_t>& axis) {
  return {{"axis", axis ? json(*axis) : json()}};
}

SymbolicTensor taken(const SymbolicTensor& x, json indices, std::int64_t axis) {
  return layers::call_operation("Take", SymbolicTensors{x}, axis_or_null(axis),
                                json::array({tensor_argument(0), std::move(indices)}));
}

}  // namespace

SymbolicTensor take(const SymbolicTensor& x, std::int64_t indices, std::int64_t axis) {
  return taken(x, indices, axis);
}
SymbolicTensor take(const SymbolicTensor& x, const std::vector<std::int64_t>& indices,
                    std::int64_t axis) {
  return taken(x, indices, axis);
}
SymbolicTensor take(const SymbolicTensor& x, const SymbolicTensor& indices,
                    std::optional<std::int64_t> axis) {
  return layers::call_operation("Take", {x, indices}, axis_or_null(axis),
                                json::array({tensor_argument(0), tensor_argument(1)}));
}
SymbolicTensor take_along_axis(const SymbolicTensor& x, const SymbolicTensor& indices,
                               std::optional<std::int64_t> axis) {
  return layers::call_operation("TakeAlongAxis", {x, indices}, axis_or_null(axis),
                                json::array({tensor_argument(0), tensor_argument(1)}));
}

}  // namespace lamina::ops

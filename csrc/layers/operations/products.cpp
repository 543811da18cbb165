// Products of each element with each, and of vectors in space.
#include <algorithm>
#include <array>

#include "layers/operations/joining.h"
#include "layers/operations/operations.h"
#include "layers/operations/parts.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;
using ops::Binary;

/// What multiplies elements, of which bools are numbers of a float: no backend computes with them.
class ByElements : public Operation {
 public:
  using Operation::Operation;

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    return promoted_operands(form().args, x);
  }
  [[nodiscard]] Ids operands(Builder& builder, const Ids& x) const {
    const DType dtype = result(builder, x).dtype;
    return as_values(builder, form().args, x, dtype == DType::kBool ? DType::kFloat32 : dtype);
  }
  void require_tensors() const {
    if (form().tensors != 2) unsupported("a number");
  }
};

/// Of all elements of both in a row.
class Outer final : public ByElements {
 public:
  explicit Outer(OperationForm form) : ByElements(std::move(form), Operands::kTwo, {}) {}

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    Shape out;
    std::size_t next = 0;
    for (const nlohmann::json& operand : form().args) {
      out.push_back(is_tensor_argument(operand) ? count(x.at(next++)) : 1);
    }
    return out;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const ops::TensorSpec to = result(builder, x);
    const Ids both = operands(builder, x);
    const ValueId y = builder.binary(Binary::kMultiply, builder.reshape(both[0], {to.shape[0], 1}),
                                     builder.reshape(both[1], {1, to.shape[1]}));
    return builder.cast(y, to.dtype);
  }

 private:
  [[nodiscard]] static std::int64_t count(const Shape& x) {
    return x.is_known() ? x.size() : kNone;
  }
};

/// The axes of both alternate, and each pair is one.
class Kron final : public ByElements {
 public:
  explicit Kron(OperationForm form) : ByElements(std::move(form), Operands::kTwo, {}) {
    require_tensors();
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    const std::size_t rank = std::max(x.at(0).rank(), x.at(1).rank());
    Shape out;
    for (std::size_t i = 0; i < rank; ++i) {
      const std::int64_t a = dim(x[0], i, rank), b = dim(x[1], i, rank);
      out.push_back(a == kNone || b == kNone ? kNone : times(a, b));
    }
    return out;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const ops::TensorSpec to = result(builder, x);
    const Ids both = operands(builder, x);
    Shape first, second;
    for (std::size_t i = 0; i < to.shape.rank(); ++i) {
      first.push_back(dim(builder.shape(both[0]), i, to.shape.rank()));
      first.push_back(1);
      second.push_back(1);
      second.push_back(dim(builder.shape(both[1]), i, to.shape.rank()));
    }
    const ValueId y = builder.binary(Binary::kMultiply, builder.reshape(both[0], std::move(first)),
                                     builder.reshape(both[1], std::move(second)));
    return builder.cast(builder.reshape(y, to.shape), to.dtype);
  }

 private:
  /// Of so many axes, where the first ones may lack.
  [[nodiscard]] static std::int64_t dim(const Shape& x, std::size_t axis, std::size_t rank) {
    const std::size_t lacking = rank - x.rank();
    return axis < lacking ? 1 : x.dims()[axis - lacking];
  }
};

class Cross final : public ByElements {
 public:
  explicit Cross(OperationForm form)
      : ByElements(std::move(form), Operands::kTwo, {"axisa", "axisb", "axisc", "axis"}) {
    require_tensors();
    const std::int64_t all = integer("axis", -1);
    const bool one = !option("axis").is_null();
    axes_ = {one ? all : integer("axisa", -1), one ? all : integer("axisb", -1)};
    result_axis_ = one ? all : integer("axisc", -1);
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    Shape out = broadcast(without_vector(x.at(0), 0), without_vector(x.at(1), 1));
    if (is_plane(x)) return out;
    std::vector<std::int64_t> dims = out.dims();
    const std::size_t at = axis_index(result_axis_, dims.size() + 1);
    dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(at), 3);
    return Shape(std::move(dims));
  }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    const DType dtype = ByElements::dtype(x);
    if (dtype == DType::kBool) unsupported("two tensors of bools");
    return dtype;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const Ids both = operands(builder, x);
    const Shapes shapes{builder.shape(both[0]), builder.shape(both[1])};
    const ops::TensorSpec to = result(builder, x);
    const Parts a = parts(builder, both[0], 0), b = parts(builder, both[1], 1);
    // Nothing where a factor is 0 because it is not there.
    const auto product = [&](std::size_t i, std::size_t k) -> std::optional<ValueId> {
      if (!a[i] || !b[k]) return std::nullopt;
      return builder.binary(Binary::kMultiply, *a[i], *b[k]);
    };
    const auto element = [&](std::size_t i, std::size_t k) {
      const std::optional<ValueId> plus = product(i, k), minus = product(k, i);
      if (plus && minus) return builder.binary(Binary::kSubtract, *plus, *minus);
      return plus ? *plus
                  : builder.binary(Binary::kSubtract, constant(builder, 0, to.dtype), *minus);
    };
    if (is_plane(shapes)) return element(0, 1);
    const std::size_t at = axis_index(result_axis_, to.shape.rank());
    Shape one = to.shape;
    one[static_cast<std::int64_t>(at)] = 1;
    Ids elements;
    for (std::size_t i = 0; i < 3; ++i) {
      elements.push_back(builder.reshape(element((i + 1) % 3, (i + 2) % 3), one));
    }
    return joined(builder, elements, at);
  }

 private:
  using Parts = std::array<std::optional<ValueId>, 3>;

  [[nodiscard]] std::size_t axis_of(const Shape& x, std::size_t operand) const {
    const std::size_t axis = axis_index(axes_[operand], x.rank());
    const std::int64_t size = x.dims()[axis];
    if (size == 2 || size == 3) return axis;
    fail("`x" + std::to_string(operand + 1) + "`'s dim on `axis=" + std::to_string(axes_[operand]) +
         "` must be either 2 or 3, but received: " +
         (size == kNone ? "None" : std::to_string(size)));
  }
  [[nodiscard]] Shape without_vector(const Shape& x, std::size_t operand) const {
    std::vector<std::int64_t> dims = x.dims();
    dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis_of(x, operand)));
    return Shape(std::move(dims));
  }
  [[nodiscard]] bool is_plane(const Shapes& x) const {
    return x[0].dims()[axis_of(x[0], 0)] == 2 && x[1].dims()[axis_of(x[1], 1)] == 2;
  }
  [[nodiscard]] Parts parts(Builder& builder, ValueId x, std::size_t operand) const {
    const Shape shape = builder.shape(x), rest = without_vector(shape, operand);
    const std::size_t axis = axis_of(shape, operand);
    Parts out;
    for (std::size_t i = 0; i < static_cast<std::size_t>(shape.dims()[axis]); ++i) {
      out[i] = builder.reshape(cropped(builder, x, axis, static_cast<std::int64_t>(i), 1), rest);
    }
    return out;
  }

  std::array<std::int64_t, 2> axes_{};
  std::int64_t result_axis_ = -1;
};

}  // namespace

OperationRows product_operations() {
  return {operation_row<Outer>("Outer", kNumpyOps), operation_row<Kron>("Kron", kNumpyOps),
          operation_row<Cross>("Cross", kNumpyOps)};
}

}  // namespace lamina::layers

namespace lamina::ops {

using layers::call_on_operands;

SymbolicTensor outer(const Operand& x1, const Operand& x2) {
  return call_on_operands("Outer", {x1, x2});
}
SymbolicTensor kron(const SymbolicTensor& x1, const SymbolicTensor& x2) {
  return call_on_operands("Kron", {x1, x2});
}
SymbolicTensor cross(const SymbolicTensor& x1, const SymbolicTensor& x2, std::int64_t axisa,
                     std::int64_t axisb, std::int64_t axisc, std::optional<std::int64_t> axis) {
  return call_on_operands("Cross", {x1, x2},
                          {{"axisa", axisa},
                           {"axisb", axisb},
                           {"axisc", axisc},
                           {"axis", axis ? nlohmann::json(*axis) : nlohmann::json()}});
}

}  // namespace lamina::ops

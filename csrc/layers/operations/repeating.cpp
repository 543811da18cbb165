// The elements of axes in another order, several times, or some of them alone.
#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "layers/masks.h"
#include "layers/operations/operations.h"
#include "layers/operations/parts.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {
namespace {

using Numbers = std::vector<std::int64_t>;

/// Without an axis: of all elements in a row.
Shape in_a_row(const Shape& x) {
  return x.is_known() ? Shape{x.size()} : Shape{kNone};
}

class Flip final : public Operation {
 public:
  explicit Flip(OperationForm form) : Operation(std::move(form), Operands::kTensor, {"axis"}) {
    (void)integers("axis");
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    (void)axes(x.at(0).rank());
    return x[0];
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    ValueId y = x[0];
    for (const std::size_t axis : axes(builder.shape(y).rank())) y = flipped(builder, y, axis);
    return y;
  }

 private:
  /// None given: all.
  [[nodiscard]] std::vector<std::size_t> axes(std::size_t rank) const {
    if (const auto given = integers("axis")) return axis_indices(*given, rank);
    std::vector<std::size_t> all(rank);
    std::iota(all.begin(), all.end(), std::size_t{0});
    return all;
  }
};

/// Fliplr and Flipud: of one axis.
class FlipOf final : public Operation {
 public:
  FlipOf(OperationForm form, std::size_t axis)
      : Operation(std::move(form), Operands::kTensor, {}), axis_(axis) {}

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    if (x.at(0).rank() <= axis_) {
      fail(std::string(axis_ == 0 ? "`flipud` requires input with 1"
                                  : "`fliplr` requires input with 2") +
           " or more dimensions. Received: x.shape=" + x[0].str());
    }
    return x[0];
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    return flipped(builder, x[0], axis_);
  }

 private:
  std::size_t axis_;
};

/// What goes over an end comes back at the other.
class Roll final : public Operation {
 public:
  explicit Roll(OperationForm form)
      : Operation(std::move(form), Operands::kTensor, {"shift", "axis"}), axes_(integers("axis")) {
    const auto given = integers("shift");
    if (!given) unsupported("a `shift` that is None");
    shifts_ = *given;
    const std::size_t count = axes_ ? axes_->size() : 1;
    if (shifts_.size() == 1) shifts_.resize(count, shifts_[0]);
    if (shifts_.size() != count) {
      fail("`shift` and `axis` must have the same number of elements.");
    }
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    for (const std::int64_t axis : axes_.value_or(Numbers{}))
      (void)axis_index(axis, x.at(0).rank());
    return x.at(0);
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const Shape shape = builder.shape(x[0]);
    if (!axes_) {
      const ValueId row = builder.reshape(x[0], {shape.size()});
      return builder.reshape(rolled(builder, row, 0, shifts_[0]), shape);
    }
    ValueId y = x[0];
    for (std::size_t i = 0; i < shifts_.size(); ++i) {
      y = rolled(builder, y, axis_index((*axes_)[i], shape.rank()), shifts_[i]);
    }
    return y;
  }

 private:
  static ValueId rolled(Builder& builder, ValueId x, std::size_t axis, std::int64_t shift) {
    const std::int64_t size = builder.shape(x).dims()[axis];
    if (size == 0 || shift % size == 0) return x;
    const std::int64_t first = (size - shift % size) % size;  // what comes to the front
    ops::Concat op;
    op.y = builder.spec(x);
    op.axis = axis;
    const Ids parts{cropped(builder, x, axis, first, size - first),
                    cropped(builder, x, axis, 0, first)};
    for (const ValueId part : parts) op.xs.push_back(builder.spec(part));
    return builder.emit(std::move(op), parts);
  }

  std::optional<Numbers> axes_;
  Numbers shifts_;
};

class Tile final : public Operation {
 public:
  explicit Tile(OperationForm form) : Operation(std::move(form), Operands::kTensor, {"repeats"}) {
    const auto given = integers("repeats");
    if (!given) unsupported("`repeats` that are None");
    repeats_ = *given;
    for (const std::int64_t count : repeats_) {
      if (count < 0) fail("`repeats` must not be negative.");
    }
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    Shape out = aligned(x.at(0));
    for (std::size_t i = 0; i < out.rank(); ++i) {
      std::int64_t& dim = out[static_cast<std::int64_t>(i)];
      dim = times(dim, count(i, out.rank()));
    }
    return out;
  }
  /// Each axis behind one of its repetitions, to which it is repeated.
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const Shape from = aligned(builder.shape(x[0]));
    Shape one, many;
    for (std::size_t i = 0; i < from.rank(); ++i) {
      one.push_back(1);
      many.push_back(count(i, from.rank()));
      one.push_back(from.dims()[i]);
      many.push_back(from.dims()[i]);
    }
    const ValueId y = repeated_to(builder, builder.reshape(x[0], one), many);
    return builder.reshape(y, result(builder, x).shape);
  }

 private:
  /// With as many axes as there are repeats, at least.
  [[nodiscard]] Shape aligned(const Shape& x) const {
    Numbers dims(std::max(x.rank(), repeats_.size()), 1);
    std::copy(x.begin(), x.end(), dims.end() - static_cast<std::ptrdiff_t>(x.rank()));
    return Shape(std::move(dims));
  }
  [[nodiscard]] std::int64_t count(std::size_t axis, std::size_t rank) const {
    const std::size_t missing = rank - repeats_.size();
    return axis < missing ? 1 : repeats_[axis - missing];
  }

  Numbers repeats_;
};

/// Each element so many times, one behind another.
class Repeat final : public Operation {
 public:
  explicit Repeat(OperationForm form)
      : Operation(std::move(form), Operands::kTensor, {"repeats", "axis"}) {
    const auto given = integers("repeats");
    if (!given || given->empty()) unsupported("`repeats` that are None");
    repeats_ = *given;
    for (const std::int64_t count : repeats_) {
      if (count < 0) fail("`repeats` must not be negative.");
    }
    (void)integer("axis", 0);
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    Shape out = seen(x.at(0));
    std::int64_t& dim = out[static_cast<std::int64_t>(axis(out.rank()))];
    if (dim == kNone) return out;
    if (repeats_.size() == 1) {
      dim = times(dim, repeats_[0]);
    } else if (static_cast<std::int64_t>(repeats_.size()) != dim) {
      fail("Size of `repeats` and dimensions of the axis of x should be compatible. Received: " +
           std::to_string(repeats_.size()) + " and " + x[0].str());
    } else {
      dim = 0;
      for (const std::int64_t count : repeats_) {
        if (__builtin_add_overflow(dim, count, &dim)) fail("An axis would be too large.");
      }
    }
    return out;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const Shape to = result(builder, x).shape;  // throws where they do not fit
    const ValueId from = builder.reshape(x[0], seen(builder.shape(x[0])));
    const std::size_t at = axis(builder.shape(from).rank());
    const std::int64_t size = builder.shape(from).dims()[at];
    if (repeats_.size() == 1) {
      Numbers dims = builder.shape(from).dims();
      const auto behind = static_cast<std::ptrdiff_t>(at) + 1;
      dims.insert(dims.begin() + behind, 1);
      const ValueId one = builder.reshape(from, Shape(dims));
      dims[static_cast<std::size_t>(behind)] = repeats_[0];
      return builder.reshape(repeated_to(builder, one, Shape(std::move(dims))), to);
    }
    Numbers indices;
    for (std::int64_t i = 0; i < size; ++i) {
      indices.insert(indices.end(), static_cast<std::size_t>(repeats_[static_cast<std::size_t>(i)]),
                     i);
    }
    return chosen(builder, from, at, indices);
  }

 private:
  [[nodiscard]] Shape seen(const Shape& x) const {
    return option("axis").is_null() ? in_a_row(x) : x;
  }
  [[nodiscard]] std::size_t axis(std::size_t rank) const {
    return axis_index(integer("axis", 0), rank);
  }

  Numbers repeats_;
};

class BroadcastTo final : public Operation {
 public:
  explicit BroadcastTo(OperationForm form)
      : Operation(std::move(form), Operands::kTensor, {"shape"}) {
    const auto given = integers("shape");
    if (!given) unsupported("a `shape` that is None");
    to_ = Shape(*given);
    for (const std::int64_t dim : to_) {
      if (dim < 0) unsupported("a `shape` that is not known");
    }
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    if (broadcast(x.at(0), to_) != to_) {
      fail("Cannot broadcast a tensor of the shape " + x[0].str() + " to " + to_.str() + ".");
    }
    return to_;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    return repeated_to(builder, x[0], result(builder, x).shape);
  }

 private:
  Shape to_;
};

/// Tril and Triu: the last two axes below, or above, a diagonal, which both keep.
class Triangle final : public Operation {
 public:
  Triangle(OperationForm form, bool upper)
      : Operation(std::move(form), Operands::kTensor, {"k"}),
        upper_(upper),
        diagonal_(integer("k", 0)) {}

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    if (x.at(0).rank() < 2) fail("takes at least two axes. Received: " + x[0].str());
    return x[0];
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const ops::TensorSpec spec = builder.spec(x[0]);
    const std::int64_t rows = spec.shape[-2], columns = spec.shape[-1];
    std::vector<double> inside;
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) {
        inside.push_back(upper_ ? j - i >= diagonal_ : j - i <= diagonal_);
      }
    }
    const DType computed = spec.dtype == DType::kBool ? DType::kFloat32 : spec.dtype;
    const ValueId mask = numbers(builder, std::move(inside), {{rows, columns}, computed});
    return builder.cast(builder.binary(ops::Binary::kKeep, builder.cast(x[0], computed), mask),
                        spec.dtype);
  }

 private:
  bool upper_;
  std::int64_t diagonal_;
};

}  // namespace

OperationRows repeating_operations() {
  return {operation_row<Flip>("Flip", kNumpyOps),
          operation_row<FlipOf>("Fliplr", kNumpyOps, std::size_t{1}),
          operation_row<FlipOf>("Flipud", kNumpyOps, std::size_t{0}),
          operation_row<Roll>("Roll", kNumpyOps),
          operation_row<Tile>("Tile", kNumpyOps),
          operation_row<Repeat>("Repeat", kNumpyOps),
          operation_row<BroadcastTo>("BroadcastTo", kNumpyOps),
          operation_row<Triangle>("Tril", kNumpyOps, false),
          operation_row<Triangle>("Triu", kNumpyOps, true)};
}

}  // namespace lamina::layers

namespace lamina::ops {

using layers::axes_to_config;
using layers::call_operation;

SymbolicTensor flip(const SymbolicTensor& x, const ReducedAxes& axis) {
  return call_operation("Flip", x, {{"axis", axes_to_config(axis)}});
}
SymbolicTensor fliplr(const SymbolicTensor& x) {
  return call_operation("Fliplr", x);
}
SymbolicTensor flipud(const SymbolicTensor& x) {
  return call_operation("Flipud", x);
}
SymbolicTensor roll(const SymbolicTensor& x, const layers::Axes& shift, const ReducedAxes& axis) {
  return call_operation("Roll", x,
                        {{"shift", axes_to_config(shift)}, {"axis", axes_to_config(axis)}});
}
SymbolicTensor tile(const SymbolicTensor& x, const layers::Axes& repeats) {
  return call_operation("Tile", x, {{"repeats", axes_to_config(repeats)}});
}
SymbolicTensor repeat(const SymbolicTensor& x, const layers::Axes& repeats,
                      std::optional<std::int64_t> axis) {
  nlohmann::json config = {{"repeats", axes_to_config(repeats)}, {"axis", nullptr}};
  if (axis) config["axis"] = *axis;
  return call_operation("Repeat", x, std::move(config));
}
SymbolicTensor broadcast_to(const SymbolicTensor& x, const std::vector<std::int64_t>& shape) {
  return call_operation("BroadcastTo", x, {{"shape", shape}});
}
SymbolicTensor tril(const SymbolicTensor& x, std::int64_t k) {
  return call_operation("Tril", x, {{"k", k}});
}
SymbolicTensor triu(const SymbolicTensor& x, std::int64_t k) {
  return call_operation("Triu", x, {{"k", k}});
}

}  // namespace lamina::ops

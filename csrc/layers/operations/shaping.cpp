// The same elements under another shape, in another order, or of another dtype.
#include <algorithm>
#include <numeric>

#include "layers/operations/operations.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;

/// What only writes another shape.
class Reshaping : public Operation {
 public:
  Reshaping(OperationForm form, std::string_view option)
      : Operation(std::move(form), Operands::kTensor, {option}) {}

 protected:
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const final {
    return builder.reshape(x[0], result(builder, x).shape);
  }
};

class Reshape final : public Reshaping {
 public:
  explicit Reshape(OperationForm form) : Reshaping(std::move(form), "newshape") {
    const auto given = integers("newshape");
    if (!given) unsupported("a `newshape` that is None");
    target_ = *given;
    const bool negative =
        std::any_of(target_.begin(), target_.end(), [](std::int64_t dim) { return dim < -1; });
    if (negative || std::count(target_.begin(), target_.end(), -1) > 1) {
      fail("There must be at most one unknown dimension (-1) in `newshape`. Received: newshape=" +
           Shape(target_).str() + ".");
    }
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    Shape out(target_);
    if (!x.at(0).is_known()) return out;
    const auto unknown = std::find(target_.begin(), target_.end(), -1);
    const std::string received =
        " Received: input_shape=" + x[0].str() + ", newshape=" + Shape(target_).str();
    if (unknown == target_.end()) {
      if (x[0].size() == out.size()) return out;
      fail("The total size of the tensor must be unchanged." + received);
    }
    const auto at = static_cast<std::int64_t>(unknown - target_.begin());
    out[at] = 1;
    const std::int64_t known = out.size();
    if (known == 0 || x[0].size() % known != 0) {
      fail(
          "The total size of the tensor must be unchanged, however, the input size cannot by "
          "divided by the specified dimensions in newshape." +
          received);
    }
    out[at] = x[0].size() / known;
    return out;
  }

 private:
  std::vector<std::int64_t> target_;
};

class Squeeze final : public Reshaping {
 public:
  explicit Squeeze(OperationForm form) : Reshaping(std::move(form), "axis") {
    (void)integers("axis");
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    const auto given = integers("axis");
    std::vector<std::size_t> gone;
    if (given) gone = axis_indices(*given, x.at(0).rank());
    Shape out;
    for (std::size_t i = 0; i < x.at(0).rank(); ++i) {
      const std::int64_t dim = x[0].dims()[i];
      const bool named = std::binary_search(gone.begin(), gone.end(), i);
      if (named && dim != 1) {
        fail("Cannot squeeze axis " + std::to_string(i) + ", because the dimension is not 1.");
      }
      if (given ? !named : dim != 1) out.push_back(dim);
    }
    return out;
  }
};

class ExpandDims final : public Reshaping {
 public:
  explicit ExpandDims(OperationForm form) : Reshaping(std::move(form), "axis") {
    if (!integers("axis")) unsupported("an `axis` that is None");
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    const std::vector<std::int64_t> axes = *integers("axis");
    const std::size_t rank = x.at(0).rank() + axes.size();
    const std::vector<std::size_t> added = axis_indices(axes, rank);
    Shape out;
    std::size_t next = 0;
    for (std::size_t i = 0; i < rank; ++i) {
      const bool is_new = std::binary_search(added.begin(), added.end(), i);
      out.push_back(is_new ? 1 : x[0].dims()[next++]);
    }
    return out;
  }
};

/// All elements in a row.
class Ravel final : public Reshaping {
 public:
  explicit Ravel(OperationForm form) : Reshaping(std::move(form), "") {}

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    return x.at(0).is_known() ? Shape{x[0].size()} : Shape{kNone};
  }
};

/// Transpose, Swapaxes and Moveaxis.
class Permutation : public Operation {
 public:
  using Operation::Operation;

 protected:
  [[nodiscard]] virtual std::vector<std::size_t> permutation(std::size_t rank) const = 0;
  [[nodiscard]] Shape shape(const Shapes& x) const final {
    Shape out;
    for (const std::size_t from : permutation(x.at(0).rank())) out.push_back(x[0].dims()[from]);
    return out;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const final {
    return builder.transpose(x[0], permutation(builder.shape(x[0]).rank()));
  }
};

class Transpose final : public Permutation {
 public:
  explicit Transpose(OperationForm form)
      : Permutation(std::move(form), Operands::kTensor, {"axes"}) {
    (void)integers("axes");
  }

 protected:
  [[nodiscard]] std::vector<std::size_t> permutation(std::size_t rank) const override {
    const auto given = integers("axes");
    std::vector<std::size_t> axes;
    if (!given) {
      for (std::size_t i = rank; i-- > 0;) axes.push_back(i);
      return axes;
    }
    if (given->size() != rank) {
      fail("axis must be a list of the same length as the input shape, expected " +
           std::to_string(rank) + ", but received " + std::to_string(given->size()) + ".");
    }
    for (const std::int64_t axis : *given) axes.push_back(axis_index(axis, rank));
    std::vector<std::size_t> sorted = axes;
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
      fail(
          "`axes` must be a valid permutation of the input dimensions (no duplicates). Received: "
          "axes=" +
          Shape(*given).str() + " for input of rank " + std::to_string(rank) + ".");
    }
    return axes;
  }
};

class Swapaxes final : public Permutation {
 public:
  explicit Swapaxes(OperationForm form)
      : Permutation(std::move(form), Operands::kTensor, {"axis1", "axis2"}) {
    for (const char* key : {"axis1", "axis2"}) (void)integer(key, 0);
  }

 protected:
  [[nodiscard]] std::vector<std::size_t> permutation(std::size_t rank) const override {
    std::vector<std::size_t> axes(rank);
    std::iota(axes.begin(), axes.end(), std::size_t{0});
    std::swap(axes[axis_index(integer("axis1", 0), rank)],
              axes[axis_index(integer("axis2", 0), rank)]);
    return axes;
  }
};

class Moveaxis final : public Permutation {
 public:
  explicit Moveaxis(OperationForm form)
      : Permutation(std::move(form), Operands::kTensor, {"source", "destination"}) {
    const auto from = integers("source"), to = integers("destination");
    if (!from || !to) unsupported("axes that are None");
    if (from->size() != to->size()) {
      fail(
          "`source` and `destination` arguments must have the same number of elements, but "
          "received "
          "`source=" +
          option("source").dump() + "` and `destination=" + option("destination").dump() + "`.");
    }
  }

 protected:
  [[nodiscard]] std::vector<std::size_t> permutation(std::size_t rank) const override {
    const std::vector<std::int64_t> from = *integers("source"), to = *integers("destination");
    const std::vector<std::size_t> moved = axis_indices(from, rank);
    (void)axis_indices(to, rank);  // nor are there two for one place
    std::vector<std::size_t> rest, axes(rank, rank);
    for (std::size_t i = 0; i < rank; ++i) {
      if (!std::binary_search(moved.begin(), moved.end(), i)) rest.push_back(i);
    }
    for (std::size_t i = 0; i < from.size(); ++i) {
      axes[axis_index(to[i], rank)] = axis_index(from[i], rank);
    }
    auto next = rest.begin();
    for (std::size_t& axis : axes) {
      if (axis == rank) axis = *next++;
    }
    return axes;
  }
};

/// What gives elements of the dtype that is its option.
class OfDType : public Operation {
 public:
  explicit OfDType(OperationForm form, Operands operands = Operands::kTensor)
      : Operation(std::move(form), operands, {"dtype"}), given_(dtype_option("dtype")) {}

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const final { return x.at(0); }
  [[nodiscard]] DType dtype(const DTypes& x) const final { return given_.value_or(x.at(0)); }

 private:
  std::optional<DType> given_;
};

/// Cast and ConvertToTensor.
class Cast final : public OfDType {
 public:
  using OfDType::OfDType;

 protected:
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    return builder.cast(x[0], result(builder, x).dtype);
  }
};

/// ZerosLike and OnesLike.
class Filled final : public OfDType {
 public:
  Filled(OperationForm form, double value) : OfDType(std::move(form)), value_(value) {}

 protected:
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    return constant(builder, value_, result(builder, x));
  }

 private:
  double value_;
};

/// A tensor's shape with one number everywhere, which the call has.
class FullLike final : public OfDType {
 public:
  explicit FullLike(OperationForm form) : OfDType(std::move(form), Operands::kTwo) {
    if (!is_tensor_argument(this->form().args[0]) || !this->form().args[1].is_number()) {
      unsupported("a `fill_value` that is no number");
    }
  }

 protected:
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    return constant(builder, form().args[1].get<double>(), result(builder, x));
  }
};

}  // namespace

OperationRows shaping_operations() {
  return {operation_row<Reshape>("Reshape", kNumpyOps),
          operation_row<Squeeze>("Squeeze", kNumpyOps),
          operation_row<ExpandDims>("ExpandDims", kNumpyOps),
          operation_row<Transpose>("Transpose", kNumpyOps),
          operation_row<Swapaxes>("Swapaxes", kNumpyOps),
          operation_row<Moveaxis>("Moveaxis", kNumpyOps),
          operation_row<Ravel>("Ravel", kNumpyOps),
          operation_row<Cast>("Cast", kCoreOps),
          operation_row<Cast>("ConvertToTensor", kCoreOps),  // what Attention does to its masks
          operation_row<Filled>("ZerosLike", kNumpyOps, 0.0),
          operation_row<Filled>("OnesLike", kNumpyOps, 1.0),
          operation_row<FullLike>("FullLike", kNumpyOps)};
}

}  // namespace lamina::layers

namespace lamina::ops {

using layers::call_operation;

SymbolicTensor reshape(const SymbolicTensor& x, const std::vector<std::int64_t>& newshape) {
  return call_operation("Reshape", x, {{"newshape", newshape}});
}
SymbolicTensor squeeze(const SymbolicTensor& x, const ReducedAxes& axis) {
  return call_operation("Squeeze", x, {{"axis", layers::axes_to_config(axis)}});
}
SymbolicTensor expand_dims(const SymbolicTensor& x, const layers::Axes& axis) {
  return call_operation("ExpandDims", x, {{"axis", layers::axes_to_config(axis)}});
}
SymbolicTensor transpose(const SymbolicTensor& x,
                         const std::optional<std::vector<std::int64_t>>& axes) {
  return call_operation("Transpose", x,
                        {{"axes", axes ? nlohmann::json(*axes) : nlohmann::json()}});
}
SymbolicTensor swapaxes(const SymbolicTensor& x, std::int64_t axis1, std::int64_t axis2) {
  return call_operation("Swapaxes", x, {{"axis1", axis1}, {"axis2", axis2}});
}
SymbolicTensor moveaxis(const SymbolicTensor& x, const layers::Axes& source,
                        const layers::Axes& destination) {
  return call_operation("Moveaxis", x,
                        {{"source", layers::axes_to_config(source)},
                         {"destination", layers::axes_to_config(destination)}});
}
SymbolicTensor ravel(const SymbolicTensor& x) {
  return call_operation("Ravel", x);
}
SymbolicTensor full_like(const SymbolicTensor& x, const Operand& fill_value,
                         std::optional<DType> dtype) {
  return call_operation(
      "FullLike", SymbolicTensors{x}, {{"dtype", layers::dtype_to_config(dtype)}},
      nlohmann::json::array({layers::tensor_argument(0), layers::number_to_config(fill_value)}));
}
SymbolicTensor cast(const SymbolicTensor& x, DType dtype) {
  return call_operation("Cast", x, {{"dtype", layers::dtype_to_config(dtype)}});
}
SymbolicTensor zeros_like(const SymbolicTensor& x, std::optional<DType> dtype) {
  return call_operation("ZerosLike", x, {{"dtype", layers::dtype_to_config(dtype)}});
}
SymbolicTensor ones_like(const SymbolicTensor& x, std::optional<DType> dtype) {
  return call_operation("OnesLike", x, {{"dtype", layers::dtype_to_config(dtype)}});
}

}  // namespace lamina::ops

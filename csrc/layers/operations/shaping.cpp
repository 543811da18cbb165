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
    if (added.size() != axes.size()) fail("repeated axis in expand_dims");
    Shape out;
    std::size_t next = 0;
    for (std::size_t i = 0; i < rank; ++i) {
      const bool is_new = std::binary_search(added.begin(), added.end(), i);
      out.push_back(is_new ? 1 : x[0].dims()[next++]);
    }
    return out;
  }
};

/// Transpose and Swapaxes.
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
    if (axis_indices(*given, rank).size() != rank) {
      fail(
          "`axes` must be a valid permutation of the input dimensions (no duplicates). Received: "
          "axes=" +
          Shape(*given).str() + " for input of rank " + std::to_string(rank) + ".");
    }
    for (const std::int64_t axis : *given) axes.push_back(axis_index(axis, rank));
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

/// What gives elements of the dtype that is its option.
class OfDType : public Operation {
 public:
  explicit OfDType(OperationForm form) : Operation(std::move(form), Operands::kTensor, {"dtype"}) {
    const nlohmann::json& name = option("dtype");
    if (name.is_null()) return;
    if (!name.is_string()) unsupported("option 'dtype'");
    try {
      given_ = dtype_from_name(name.get<std::string>());
    } catch (const ValueError&) {
      unsupported("the dtype '" + name.get<std::string>() + "'");
    }
  }

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

}  // namespace

OperationRows shaping_operations() {
  return {operation_row<Reshape>("Reshape", kNumpyOps),
          operation_row<Squeeze>("Squeeze", kNumpyOps),
          operation_row<ExpandDims>("ExpandDims", kNumpyOps),
          operation_row<Transpose>("Transpose", kNumpyOps),
          operation_row<Swapaxes>("Swapaxes", kNumpyOps),
          operation_row<Cast>("Cast", kCoreOps),
          operation_row<Cast>("ConvertToTensor", kCoreOps),  // what Attention does to its masks
          operation_row<Filled>("ZerosLike", kNumpyOps, 0.0),
          operation_row<Filled>("OnesLike", kNumpyOps, 1.0)};
}

}  // namespace lamina::layers

namespace lamina::ops {
namespace {

nlohmann::json name_of(const std::optional<DType>& dtype) {
  return dtype ? nlohmann::json(std::string(dtype_name(*dtype))) : nlohmann::json();
}

}  // namespace

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
SymbolicTensor cast(const SymbolicTensor& x, DType dtype) {
  return call_operation("Cast", x, {{"dtype", name_of(dtype)}});
}
SymbolicTensor zeros_like(const SymbolicTensor& x, std::optional<DType> dtype) {
  return call_operation("ZerosLike", x, {{"dtype", name_of(dtype)}});
}
SymbolicTensor ones_like(const SymbolicTensor& x, std::optional<DType> dtype) {
  return call_operation("OnesLike", x, {{"dtype", name_of(dtype)}});
}

}  // namespace lamina::ops

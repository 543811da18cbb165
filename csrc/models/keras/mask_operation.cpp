// The operations that Keras makes masks with, which stand in the graphs of its models beside
// layers.
#include <lamina/error.h>

#include <algorithm>
#include <map>

#include "layers/masks.h"
#include "models/keras/operation_layer.h"

namespace lamina::models {
namespace {

using graph::Builder;
using graph::ValueId;
using nlohmann::json;
using Ids = std::vector<ValueId>;
using Shapes = std::vector<Shape>;

/// What an operation does to its operands, of the same shape or alike; its shape, and what writes
/// it.
class MaskOperation : public OperationLayer {
 public:
  MaskOperation(const OperationConfig& config, std::size_t tensors, std::vector<Scalar> scalars)
      : OperationLayer(config, std::move(scalars)) {
    input_spec_.count = tensors;
  }
  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override { return {inputs[0]}; }
  [[nodiscard]] std::vector<DType> compute_output_dtype(const std::vector<DType>&) override {
    return {DType::kBool};
  }

 protected:
  /// Of axes that count from behind where they are negative, sorted; none in the configuration:
  /// all.
  [[nodiscard]] std::vector<std::size_t> axes(std::size_t rank) const {
    const json& given = config().at("axis");
    std::vector<std::size_t> out;
    for (std::size_t i = 0; given.is_null() && i < rank; ++i) out.push_back(i);
    const json list = given.is_array() || given.is_null() ? given : json::array({given});
    for (const json& axis : list) {
      const auto number = axis.get<std::int64_t>(), count = static_cast<std::int64_t>(rank);
      if (number < -count || number >= count) {
        fail("axis " + std::to_string(number) + " is out of bounds for " + std::to_string(rank) +
             " axes.");
      }
      out.push_back(static_cast<std::size_t>(number < 0 ? number + count : number));
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }
};

/// NotEqual, Equal: to a number.
class Comparison final : public MaskOperation {
 public:
  using MaskOperation::MaskOperation;

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& x) override {
    const ValueId differs = layers::not_equal(builder, x[0], scalars()[0].value);
    return {class_name() == "Equal" ? layers::logical_not(builder, differs) : differs};
  }
};

/// LogicalNot, LogicalAnd, LogicalOr.
class Logic final : public MaskOperation {
 public:
  using MaskOperation::MaskOperation;
  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    return {inputs.size() == 1 ? inputs[0] : broadcast_shapes(*this, inputs[0], inputs[1])};
  }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& x) override {
    if (x.size() == 1) return {layers::logical_not(builder, x[0])};
    return {class_name() == "LogicalAnd" ? layers::logical_and(builder, x[0], x[1])
                                         : layers::logical_or(builder, x[0], x[1])};
  }
};

class Any final : public MaskOperation {
 public:
  using MaskOperation::MaskOperation;
  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    const std::vector<std::size_t> reduced = axes(inputs[0].rank());
    Shape out;
    for (std::size_t i = 0; i < inputs[0].rank(); ++i) {
      const bool gone = std::binary_search(reduced.begin(), reduced.end(), i);
      if (!gone) out.push_back(inputs[0].dims()[i]);
      if (gone && keepdims()) out.push_back(1);
    }
    return {out};
  }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& x) override {
    return {layers::any(builder, x[0], axes(builder.shape(x[0]).rank()), keepdims())};
  }

 private:
  [[nodiscard]] bool keepdims() const { return config().value("keepdims", false); }
};

class ExpandDims final : public MaskOperation {
 public:
  using MaskOperation::MaskOperation;
  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    const json& axis = config().at("axis");
    const std::size_t rank = inputs[0].rank() + (axis.is_array() ? axis.size() : 1);
    const std::vector<std::size_t> added = axes(rank);
    if (added.size() + inputs[0].rank() != rank) fail("an axis is named twice.");
    Shape out;
    std::size_t next = 0;
    for (std::size_t i = 0; i < rank; ++i) {
      const bool is_new = std::binary_search(added.begin(), added.end(), i);
      out.push_back(is_new ? 1 : inputs[0].dims()[next++]);
    }
    return {out};
  }
  [[nodiscard]] std::vector<DType> compute_output_dtype(const std::vector<DType>& x) override {
    return x;
  }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& x) override {
    return {builder.reshape(x[0], compute_output_shape({builder.shape(x[0])})[0])};
  }
};

/// ZerosLike, OnesLike: of bools.
class Constant final : public MaskOperation {
 public:
  using MaskOperation::MaskOperation;

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& x) override {
    return {layers::constant_mask(builder, builder.shape(x[0]), class_name() == "OnesLike")};
  }
};

class Concatenate final : public MaskOperation {
 public:
  using MaskOperation::MaskOperation;
  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    Shape out = inputs[0];
    const std::size_t axis = axes(out.rank()).at(0);
    std::int64_t& total = out[static_cast<std::int64_t>(axis)];
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      bool fits = inputs[i].rank() == out.rank();
      for (std::size_t k = 0; fits && k < out.rank(); ++k) {
        const std::int64_t dim = inputs[i].dims()[k];
        fits = k == axis || dim == kNone || out.dims()[k] == kNone || dim == out.dims()[k];
      }
      if (!fits) fail("shapes differ: " + out.str() + " and " + inputs[i].str() + ".");
      const std::int64_t dim = inputs[i].dims()[axis];
      total = total == kNone || dim == kNone ? kNone : total + dim;
    }
    return {out};
  }
  [[nodiscard]] std::vector<DType> compute_output_dtype(const std::vector<DType>& x) override {
    return {x[0]};
  }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& x) override {
    if (x.size() == 1) return x;
    ops::Concat op;
    Shapes shapes;
    for (const ValueId id : x) {
      if (builder.dtype(id) != builder.dtype(x[0])) {
        throw UnsupportedError("Operation '" + name() +
                               "' (Concatenate) takes no two different dtypes in Lamina.");
      }
      op.xs.push_back(builder.spec(id));
      shapes.push_back(builder.shape(id));
    }
    op.y = {compute_output_shape(shapes)[0], builder.dtype(x[0])};
    op.axis = axes(op.y.shape.rank()).at(0);
    return {builder.emit(std::move(op), x)};
  }
};

bool is_axis(const json& axis) {
  return axis.is_number_integer();
}

/// What a class takes, and what makes it.
struct Kind {
  std::size_t least, most, scalars;  ///< so many tensors, so many numbers
  bool (*suits)(const json& config);
  LayerPtr (*make)(const OperationConfig&, std::size_t, std::vector<Scalar>);
};

template <class T>
LayerPtr make(const OperationConfig& config, std::size_t tensors, std::vector<Scalar> scalars) {
  return std::make_shared<T>(config, tensors, std::move(scalars));
}

const std::map<std::string, Kind>& kinds() {
  const auto any = [](const json&) { return true; };
  const auto of_bools = [](const json& config) { return config.value("dtype", json()) == "bool"; };
  const auto one_axis = [](const json& config) { return is_axis(config.value("axis", json())); };
  const auto axes = [](const json& config) {
    const json axis = config.value("axis", json());
    return is_axis(axis) || (axis.is_array() && std::all_of(axis.begin(), axis.end(), is_axis));
  };
  const auto reduction = [](const json& config) {
    const json axis = config.value("axis", json());
    const bool good = config.contains("axis") && config.value("keepdims", json(false)).is_boolean();
    return good && (axis.is_null() || is_axis(axis) ||
                    (axis.is_array() && std::all_of(axis.begin(), axis.end(), is_axis)));
  };
  constexpr std::size_t kMany = static_cast<std::size_t>(-1);
  static const std::map<std::string, Kind> map = {
      {"NotEqual", {1, 1, 1, any, make<Comparison>}},
      {"Equal", {1, 1, 1, any, make<Comparison>}},
      {"LogicalNot", {1, 1, 0, any, make<Logic>}},
      {"LogicalAnd", {2, 2, 0, any, make<Logic>}},
      {"LogicalOr", {2, 2, 0, any, make<Logic>}},
      {"Any", {1, 1, 0, reduction, make<Any>}},
      {"ExpandDims", {1, 1, 0, axes, make<ExpandDims>}},
      {"ZerosLike", {1, 1, 0, of_bools, make<Constant>}},
      {"OnesLike", {1, 1, 0, of_bools, make<Constant>}},
      {"Concatenate", {1, kMany, 0, one_axis, make<Concatenate>}},
  };
  return map;
}

}  // namespace

LayerPtr make_mask_operation(const OperationConfig& config, std::size_t tensors,
                             const std::vector<Scalar>& scalars) {
  const auto it = kinds().find(config.class_name);
  if (it == kinds().end()) return nullptr;
  const Kind& kind = it->second;
  if (tensors < kind.least || tensors > kind.most || scalars.size() != kind.scalars ||
      !config.config.is_object() || !kind.suits(config.config)) {
    return nullptr;
  }
  return kind.make(config, tensors, scalars);
}

}  // namespace lamina::models

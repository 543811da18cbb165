#include "models/keras/operation.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "graph/builder.h"

namespace lamina::models {
namespace {

class Operation final : public Layer {
 public:
  Operation(std::string class_name, ops::Binary kind, const std::string& name,
            std::vector<Scalar> scalars)
      : Layer({name, {}, true}),
        class_name_(std::move(class_name)),
        kind_(kind),
        scalars_(std::move(scalars)) {
    input_spec_.count = scalars_.empty() ? 2 : 1;
    built_ = true;
    if (!scalars_.empty()) (void)scale_shift();  // refuses early what cannot be lowered
  }

  [[nodiscard]] std::string class_name() const override { return class_name_; }
  [[nodiscard]] const std::vector<Scalar>& scalars() const noexcept { return scalars_; }

  [[nodiscard]] std::vector<Shape> compute_output_shape(const std::vector<Shape>& inputs) override {
    return {inputs.size() == 1 ? inputs[0] : broadcast(inputs[0], inputs[1])};
  }
  [[nodiscard]] std::vector<DType> compute_output_dtype(const std::vector<DType>& inputs) override {
    return {inputs[0]};
  }

 protected:
  [[nodiscard]] std::vector<graph::ValueId> on_lower(
      graph::Builder& builder, const std::vector<graph::ValueId>& x) override {
    if (x.size() == 1) {
      if (!is_floating(builder.dtype(x[0]))) unsupported("takes no integers with a number");
      return {builder.activation(x[0], scale_shift())};
    }
    if (builder.dtype(x[0]) != builder.dtype(x[1])) unsupported("takes no two different dtypes");
    return {builder.binary(kind_, x[0], x[1])};
  }
  [[nodiscard]] bool autocast() const override { return false; }

 private:
  [[noreturn]] void unsupported(const std::string& what) const {
    throw UnsupportedError("Operation '" + name() + "' (" + class_name_ + ") " + what +
                           " in Lamina.");
  }

  // x op number, or number op x, as x * a + b.
  [[nodiscard]] ops::Activation scale_shift() const {
    const auto [position, value, integer] = scalars_[0];
    const bool first = position == 0;
    switch (kind_) {
      case ops::Binary::kAdd:
        return {ops::Unary::kScaleShift, 1, value};
      case ops::Binary::kSubtract:
        return first ? ops::Activation{ops::Unary::kScaleShift, -1, value}
                     : ops::Activation{ops::Unary::kScaleShift, 1, -value};
      case ops::Binary::kMultiply:
        return {ops::Unary::kScaleShift, value, 0};
      case ops::Binary::kDivide:
        if (!first) return {ops::Unary::kScaleShift, 1 / value, 0};
        break;
      case ops::Binary::kMaximum:
      case ops::Binary::kMinimum:
        break;
    }
    unsupported("is not supported with a number");
  }

  [[nodiscard]] Shape broadcast(const Shape& a, const Shape& b) const {
    std::vector<std::int64_t> dims(std::max(a.rank(), b.rank()));
    for (std::size_t i = 0; i < dims.size(); ++i) {
      const std::int64_t da = i < a.rank() ? a.dims()[a.rank() - 1 - i] : 1;
      const std::int64_t db = i < b.rank() ? b.dims()[b.rank() - 1 - i] : 1;
      if (da != db && da != 1 && db != 1 && da != kNone && db != kNone) {
        fail("Unable to broadcast shapes " + a.str() + " and " + b.str() + ".");
      }
      dims[dims.size() - 1 - i] = da == 1 || (da == kNone && db != 1) ? db : da;
    }
    return Shape(std::move(dims));
  }

  std::string class_name_;
  ops::Binary kind_;
  std::vector<Scalar> scalars_;
};

const std::map<std::string, ops::Binary>& kinds() {
  static const std::map<std::string, ops::Binary> map = {
      {"Add", ops::Binary::kAdd},           {"Subtract", ops::Binary::kSubtract},
      {"Multiply", ops::Binary::kMultiply}, {"Divide", ops::Binary::kDivide},
      {"TrueDivide", ops::Binary::kDivide}, {"Maximum", ops::Binary::kMaximum},
      {"Minimum", ops::Binary::kMinimum},
  };
  return map;
}

}  // namespace

bool is_operation(const Layer& layer) {
  return dynamic_cast<const Operation*>(&layer) != nullptr;
}

LayerPtr make_operation(const std::string& class_name, const std::string& name,
                        const std::vector<Scalar>& scalars) {
  const auto it = kinds().find(class_name);
  if (it == kinds().end()) return nullptr;
  return std::make_shared<Operation>(class_name, it->second, name, scalars);
}

nlohmann::json operation_to_object(const Layer& operation) {
  return {{"module", "keras.src.ops.numpy"},
          {"class_name", operation.class_name()},
          {"config", {{"name", operation.name()}}},
          {"registered_name", operation.class_name()}};
}

const std::vector<Scalar>& scalars_of(const Layer& operation) {
  return dynamic_cast<const Operation&>(operation).scalars();
}

}  // namespace lamina::models

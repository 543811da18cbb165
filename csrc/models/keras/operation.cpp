#include "models/keras/operation.h"

#include <lamina/error.h>

#include <algorithm>
#include <map>

#include "graph/builder.h"
#include "layers/naming.h"
#include "models/keras/operation_layer.h"

namespace lamina::models {
namespace {

class Arithmetic final : public OperationLayer {
 public:
  Arithmetic(const OperationConfig& config, ops::Binary kind, std::vector<Scalar> scalars)
      : OperationLayer(config, std::move(scalars)), kind_(kind) {
    input_spec_.count = this->scalars().empty() ? 2 : 1;
    if (!this->scalars().empty()) (void)scale_shift();  // refuses early what cannot be lowered
  }

  [[nodiscard]] std::vector<Shape> compute_output_shape(const std::vector<Shape>& inputs) override {
    return {inputs.size() == 1 ? inputs[0] : broadcast_shapes(*this, inputs[0], inputs[1])};
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

 private:
  [[noreturn]] void unsupported(const std::string& what) const {
    throw UnsupportedError("Operation '" + name() + "' (" + class_name() + ") " + what +
                           " in Lamina.");
  }

  // x op number, or number op x, as x * a + b.
  [[nodiscard]] ops::Activation scale_shift() const {
    const auto [position, value, integer] = scalars()[0];
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
      case ops::Binary::kKeep:
        break;
    }
    unsupported("is not supported with a number");
  }

  ops::Binary kind_;
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
  return dynamic_cast<const OperationLayer*>(&layer) != nullptr;
}

LayerPtr make_operation(const OperationConfig& config, std::size_t tensors,
                        const std::vector<Scalar>& scalars) {
  const auto it = kinds().find(config.class_name);
  if (it == kinds().end()) return make_mask_operation(config, tensors, scalars);
  if (tensors + scalars.size() != 2 || tensors == 0) return nullptr;
  return std::make_shared<Arithmetic>(config, it->second, scalars);
}

Shape broadcast_shapes(const Layer& operation, const Shape& a, const Shape& b) {
  std::vector<std::int64_t> dims(std::max(a.rank(), b.rank()));
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const std::int64_t da = i < a.rank() ? a.dims()[a.rank() - 1 - i] : 1;
    const std::int64_t db = i < b.rank() ? b.dims()[b.rank() - 1 - i] : 1;
    if (da != db && da != 1 && db != 1 && da != kNone && db != kNone) {
      throw ValueError(layers::in_words(operation) + ": Unable to broadcast shapes " + a.str() +
                       " and " + b.str() + ".");
    }
    dims[dims.size() - 1 - i] = da == 1 || (da == kNone && db != 1) ? db : da;
  }
  return Shape(std::move(dims));
}

nlohmann::json operation_to_object(const Layer& operation) {
  const auto& layer = dynamic_cast<const OperationLayer&>(operation);
  nlohmann::json config = layer.config();
  config["name"] = layer.name();
  return {{"module", "keras.src.ops.numpy"},
          {"class_name", layer.class_name()},
          {"config", std::move(config)},
          {"registered_name", layer.class_name()}};
}

const std::vector<Scalar>& scalars_of(const Layer& operation) {
  return dynamic_cast<const OperationLayer&>(operation).scalars();
}

bool takes_list_of_operands(const Layer& operation) {
  return operation.class_name() == "Concatenate";
}

}  // namespace lamina::models

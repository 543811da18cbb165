// Variables of layers: how they are made, and their values as placeholders.
#include <lamina/error.h>

#include "graph/builder.h"
#include "layers/access.h"
#include "layers/naming.h"

namespace lamina {
namespace {

using graph::Builder;
using graph::ValueId;

/// What a variable's value comes from in a graph. It has no variables: whoever has this one counts
/// it, and nothing in the graph refers to the layer whose `call` asked for it.
class VariableLayer final : public Layer {
 public:
  VariableLayer(VariablePtr variable, DType dtype)
      : Layer({"weight", std::string(dtype_name(DType::kFloat32)), true}),
        variable_(std::move(variable)),
        dtype_(dtype) {
    input_spec_.count = std::nullopt;
    built_ = true;
  }
  [[nodiscard]] std::string class_name() const override { return "Variable"; }
  [[nodiscard]] CallSignature call_signature() const override {
    return {.inputs = {}, .required = 0};
  }

 private:
  [[nodiscard]] bool traces_call() const override { return false; }
  [[nodiscard]] bool autocast() const override { return false; }
  [[nodiscard]] std::vector<ValueId> on_lower(Builder& builder,
                                              const std::vector<ValueId>&) override {
    const auto value = [&](DType dtype, graph::Param param) {
      return builder.emit(ops::ParamValue{{variable_->shape(), dtype}}, {}, {std::move(param)});
    };
    if (is_floating(dtype_)) return {value(dtype_, graph::Param::of(variable_, dtype_))};
    // Parameters are floats, and nothing derives by these.
    graph::Param param{{variable_}, [variable = variable_] {
                         return graph::host_value(*variable, DType::kFloat64);
                       }};
    return {builder.cast(value(DType::kFloat64, std::move(param)), dtype_)};
  }

  VariablePtr variable_;
  DType dtype_;
};

}  // namespace

SymbolicTensor Layer::weight(const VariablePtr& variable) const {
  if (!variable) fail("asks for the value of a variable that is null: was it made in `on_build`?");
  const bool cast = is_floating(variable->dtype()) && policy_.compute != policy_.variable;
  const DType dtype = cast ? policy_.compute : variable->dtype();
  const std::shared_ptr<layers::Node> node = layers::Access::make_node(
      std::make_shared<VariableLayer>(variable, dtype), {}, {}, {variable->shape()}, {dtype});
  node->traced = true;
  return layers::Access::output(node, 0);
}

VariablePtr Layer::add_weight(WeightOptions options) {
  const DType dtype = options.dtype.empty() ? policy_.variable : dtype_from_name(options.dtype);
  if (!options.initializer) options.initializer = is_floating(dtype) ? "glorot_uniform" : "zeros";
  if (options.name.empty()) options.name = layers::auto_name("Variable");
  VariablePtr variable = add_weight(std::move(options.name), std::move(options.shape),
                                    options.initializer->bind(), options.trainable, dtype);
  variable->set_regularizer(std::move(options.regularizer));
  variable->set_constraint(options.constraint);  // moved, GCC 12 calls it uninitialised
  return variable;
}

VariablePtr Layer::add_weight(std::string name, Shape shape, Variable::Initializer initializer,
                              bool trainable) {
  return add_weight(std::move(name), std::move(shape), std::move(initializer), trainable,
                    policy_.variable);
}

VariablePtr Layer::add_weight(std::string name, Shape shape, Variable::Initializer initializer,
                              bool trainable, DType dtype) {
  const std::string path = this->name() + "/" + name;
  if (!shape.is_known()) {
    fail(
        "Shapes used to initialize variables must be fully-defined (no `None` dimensions). "
        "Received: "
        "shape=" +
        shape.str() + " for variable path='" + path + "'");
  }
  auto variable = std::make_shared<Variable>(std::move(name), std::move(shape), dtype,
                                             std::move(initializer), trainable);
  variable->set_path(path);
  (trainable ? trainable_variables_ : non_trainable_variables_).push_back(variable);
  return variable;
}

VariablePtr Layer::add_weight(std::string name, Shape shape, Variable::Initializer initializer,
                              WeightRules rules) {
  VariablePtr variable = add_weight(std::move(name), std::move(shape), std::move(initializer));
  variable->set_regularizer(std::move(rules.regularizer));
  variable->set_constraint(rules.constraint);  // moved, GCC 12 calls it uninitialised
  return variable;
}

}  // namespace lamina

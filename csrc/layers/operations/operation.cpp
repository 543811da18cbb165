#include "layers/operations/operation.h"

#include <lamina/error.h>

#include <algorithm>

#include "core/naming.h"
#include "layers/access.h"
#include "layers/naming.h"
#include "layers/operations/operations.h"

namespace lamina::layers {

using nlohmann::json;

json tensor_argument(std::size_t index) {
  return {{"tensor", index}};
}

bool is_tensor_argument(const json& argument) {
  return argument.is_object() && argument.size() == 1 && argument.contains("tensor");
}

OperationForm with_keywords(OperationForm form, std::initializer_list<const char*> keywords) {
  for (const char* keyword : keywords) form.keywords.emplace(keyword, nullptr);
  return form;
}

Operation::Operation(OperationForm form, Operands operands,
                     std::initializer_list<std::string_view> options)
    : Layer({form.name, {}, true}), form_(std::move(form)) {
  if (!form_.config.is_object()) unsupported("a configuration that is no object");
  const auto known = [&](const std::string& key) {
    return std::find(options.begin(), options.end(), key) != options.end();
  };
  for (const auto& [key, value] : form_.config.items()) {
    if (!known(key) && key != "name" && !value.is_null()) unsupported("option '" + key + "'");
  }
  for (const auto& [key, value] : form_.keywords.items()) {
    const bool fits = operands == Operands::kOthers || !is_tensor_argument(value);
    if (!known(key) || !fits) unsupported("argument '" + key + "' of its call");
  }
  check_operands(operands);
  input_spec_.count = form_.tensors;
  built_ = true;
}

void Operation::check_operands(Operands operands) {
  const json& args = form_.args;
  const auto all = [](const json& list, auto fits) {
    return std::all_of(list.begin(), list.end(), fits);
  };
  bool good = false;
  switch (operands) {
    case Operands::kTensor:
      good = args.size() == 1 && is_tensor_argument(args[0]);
      break;
    case Operands::kTwo:
      good = args.size() == 2 && form_.tensors > 0 && all(args, [](const json& operand) {
               return is_tensor_argument(operand) || operand.is_number();
             });
      break;
    case Operands::kList:
      good = args.size() == 1 && args[0].is_array() && !args[0].empty() &&
             all(args[0], is_tensor_argument);
      break;
    case Operands::kOthers:
      good = true;
  }
  if (!good) unsupported("what it is called with");
}

const json& Operation::option(const char* key) const {
  static const json kNull;
  const auto it = form_.config.find(key);
  return it == form_.config.end() ? kNull : *it;
}

bool Operation::flag(const char* key) const {
  const json& value = option(key);
  if (!value.is_null() && !value.is_boolean()) unsupported(std::string("option '") + key + "'");
  return value.is_boolean() && value.get<bool>();
}

double Operation::number(const char* key, double otherwise) const {
  const json& value = option(key);
  if (!value.is_null() && !value.is_number()) unsupported(std::string("option '") + key + "'");
  return value.is_null() ? otherwise : value.get<double>();
}

std::int64_t Operation::integer(const char* key, std::int64_t otherwise) const {
  const json& value = option(key);
  if (!value.is_null() && !value.is_number_integer()) {
    unsupported(std::string("option '") + key + "'");
  }
  return value.is_null() ? otherwise : value.get<std::int64_t>();
}

std::optional<DType> Operation::dtype_option(const char* key) const {
  const json& name = option(key);
  if (name.is_null()) return std::nullopt;
  if (!name.is_string()) unsupported(std::string("option '") + key + "'");
  try {
    return dtype_from_name(name.get<std::string>());
  } catch (const ValueError&) {
    unsupported("the dtype '" + name.get<std::string>() + "'");
  }
}

std::optional<std::vector<std::int64_t>> Operation::integers(const char* key) const {
  const json& value = option(key);
  if (value.is_null()) return std::nullopt;
  std::vector<std::int64_t> out;
  for (const json& item : value.is_array() ? value : json::array({value})) {
    if (!item.is_number_integer()) unsupported(std::string("option '") + key + "'");
    out.push_back(item.get<std::int64_t>());
  }
  return out;
}

void Operation::unsupported(const std::string& what) const {
  throw UnsupportedError(in_words(*this) + ": " + what + " is not supported.");
}

std::size_t Operation::axis_index(std::int64_t axis, std::size_t rank) const {
  const auto count = static_cast<std::int64_t>(rank);
  if (axis < -count || axis >= count) {
    fail("axis " + std::to_string(axis) + " is out of bounds for an array with " +
         std::to_string(rank) + " dimensions");
  }
  return static_cast<std::size_t>(axis < 0 ? axis + count : axis);
}

std::vector<std::size_t> Operation::axis_indices(const std::vector<std::int64_t>& axes,
                                                 std::size_t rank) const {
  std::vector<std::size_t> out;
  for (const std::int64_t axis : axes) out.push_back(axis_index(axis, rank));
  std::sort(out.begin(), out.end());
  if (std::adjacent_find(out.begin(), out.end()) != out.end()) {
    fail("duplicate value in 'axis': " + json(axes).dump());
  }
  return out;
}

std::int64_t Operation::times(std::int64_t size, std::int64_t count) const {
  std::int64_t out = 0;
  if (size == kNone) return kNone;
  if (__builtin_mul_overflow(size, count, &out)) fail("An axis would be too large.");
  return out;
}

Shape Operation::broadcast(const Shape& a, const Shape& b) const {
  std::vector<std::int64_t> dims(std::max(a.rank(), b.rank()));
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const std::int64_t da = i < a.rank() ? a.dims()[a.rank() - 1 - i] : 1;
    const std::int64_t db = i < b.rank() ? b.dims()[b.rank() - 1 - i] : 1;
    if (da != db && da != 1 && db != 1 && da != kNone && db != kNone) {
      fail("Cannot broadcast shape, the failure dim has value " + std::to_string(da) +
           ", which cannot be broadcasted to " + std::to_string(db) +
           ". Input shapes are: " + a.str() + " and " + b.str() + ".");
    }
    dims[dims.size() - 1 - i] = da == 1 || (da == kNone && db != 1) ? db : da;
  }
  return Shape(std::move(dims));
}

ops::TensorSpec Operation::result(const graph::Builder& builder, const Ids& x) const {
  Shapes shapes;
  DTypes dtypes;
  for (const graph::ValueId id : x) {
    shapes.push_back(builder.shape(id));
    dtypes.push_back(builder.dtype(id));
  }
  return {shape(shapes), dtype(dtypes)};
}

Operation::Ids Operation::on_lower(graph::Builder& builder, const Ids& x) {
  Ids outputs = lower_all(builder, x);
  for (graph::ValueId& y : outputs) {
    // What it was given itself, whose mask ends here.
    if (builder.mask(y)) y = builder.emit(ops::Reshape{builder.spec(y), builder.spec(y)}, {y});
  }
  return outputs;
}

namespace {

/// Of a call on these.
LayerPtr operation_on(const SymbolicTensors& tensors, std::string_view class_name, json config,
                      json args, json keywords) {
  const bool traced = std::any_of(tensors.begin(), tensors.end(), [](const SymbolicTensor& x) {
    return x.defined() && Access::node(x)->traced;
  });
  return make_operation({std::string(class_name), traced ? core::to_snake_case(class_name) : "",
                         std::move(config), std::move(args), tensors.size(), std::move(keywords)});
}

}  // namespace

SymbolicTensor call_operation(std::string_view class_name, const SymbolicTensors& tensors,
                              json config, json args, json keywords) {
  return (*operation_on(tensors, class_name, std::move(config), std::move(args),
                        std::move(keywords)))(tensors);
}

SymbolicTensors call_for_list(std::string_view class_name, const SymbolicTensor& x, json config) {
  const SymbolicTensors tensors{x};
  const LayerPtr operation = operation_on(tensors, class_name, std::move(config),
                                          json::array({tensor_argument(0)}), json::object());
  return operation->apply(tensors);
}

SymbolicTensor call_operation(std::string_view class_name, const SymbolicTensor& x, json config) {
  return call_operation(class_name, SymbolicTensors{x}, std::move(config),
                        json::array({tensor_argument(0)}));
}

SymbolicTensor call_on_list(std::string_view class_name, const SymbolicTensors& xs, json config) {
  json list = json::array();
  for (std::size_t i = 0; i < xs.size(); ++i) list.push_back(tensor_argument(i));
  return call_operation(class_name, xs, std::move(config), json::array({std::move(list)}));
}

SymbolicTensor call_on_operands(std::string_view class_name,
                                std::initializer_list<ops::Operand> operands, json config) {
  json args = json::array();
  SymbolicTensors tensors;
  for (const ops::Operand& operand : operands) {
    if (const auto* tensor = std::get_if<SymbolicTensor>(&operand.value())) {
      args.push_back(tensor_argument(tensors.size()));
      tensors.push_back(*tensor);
    } else {
      args.push_back(number_to_config(operand));
    }
  }
  return call_operation(class_name, tensors, std::move(config), std::move(args));
}

json optional_argument(SymbolicTensors& tensors, const SymbolicTensor& tensor) {
  if (!tensor.defined()) return {};
  tensors.push_back(tensor);
  return tensor_argument(tensors.size() - 1);
}

json dtype_to_config(const std::optional<DType>& dtype) {
  return dtype ? json(std::string(dtype_name(*dtype))) : json();
}

json number_to_config(const ops::Operand& operand) {
  if (const auto* integer = std::get_if<std::int64_t>(&operand.value())) return *integer;
  if (const auto* real = std::get_if<double>(&operand.value())) return *real;
  throw ValueError("A number is expected here, and no tensor.");
}

json axes_to_config(const Axes& axes) {
  if (axes.values.size() == 1) return axes.values.front();
  return axes.values;
}

json axes_to_config(const std::optional<Axes>& axes) {
  return axes ? axes_to_config(*axes) : json();
}

}  // namespace lamina::layers

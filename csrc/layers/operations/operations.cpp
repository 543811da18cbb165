#include "layers/operations/operations.h"

#include <map>

namespace lamina::layers {
namespace {

using ByName = std::map<std::string_view, OperationRow>;

const ByName& rows() {
  static const ByName all = [] {
    ByName out;
    for (const OperationRows& family :
         {arithmetic_operations(), logic_operations(),         elementwise_operations(),
          composed_operations(),   activation_operations(),    reduction_operations(),
          norm_operations(),       normalization_operations(), attention_operations(),
          cumulative_operations(), place_operations(),         sorting_operations(),
          shaping_operations(),    joining_operations(),       splitting_operations(),
          repeating_operations(),  padding_operations(),       slicing_operations(),
          gathering_operations(),  matmul_operations(),        contraction_operations(),
          product_operations(),    plane_operations(),         nan_operations()}) {
      for (const OperationRow& row : family) out.emplace(row.class_name, row);
    }
    return out;
  }();
  return all;
}

}  // namespace

LayerPtr make_operation(OperationForm form) {
  const auto it = rows().find(form.class_name);
  return it == rows().end() ? nullptr : it->second.make(std::move(form));
}

const char* module_of(const Operation& operation) {
  return rows().at(operation.form().class_name).module;
}

bool is_module_of_operations(std::string_view module) {
  return module.starts_with("keras.src.ops.") || module.starts_with("keras.src.activations.");
}

bool is_operation(const Layer& layer) {
  return dynamic_cast<const Operation*>(&layer) != nullptr;
}

std::vector<std::string> registered_operations() {
  std::vector<std::string> names;
  for (const auto& [name, row] : rows()) names.emplace_back(name);
  return names;
}

}  // namespace lamina::layers

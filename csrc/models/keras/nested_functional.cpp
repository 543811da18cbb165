#include "models/keras/nested_functional.h"

#include <algorithm>

#include "layers/access.h"

namespace lamina::models {

bool is_dictionary(const nlohmann::json& nesting) {
  return nesting.is_object() && std::all_of(nesting.begin(), nesting.end(),
                                            [](const auto& item) { return item.is_number(); });
}

std::vector<std::string> output_names(const Model& model) {
  std::vector<std::string> names;
  const auto* nested = dynamic_cast<const NestedFunctional*>(&model);
  if (nested != nullptr && is_dictionary(nested->nesting().outputs)) {
    for (const auto& item : nested->nesting().outputs.items()) names.push_back(item.key());
    return names;
  }
  for (const SymbolicTensor& output : model.outputs()) {
    names.push_back(layers::Access::node(output)->layer->name());
  }
  return names;
}

}  // namespace lamina::models

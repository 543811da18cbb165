#include "layers/config/registry.h"

#include <algorithm>
#include <map>

#include "layers/config/registered_layers.h"

namespace lamina::layers {
namespace {

using Make = LayerPtr (*)(ConfigReader&);

void note_training_options(Layer& layer, const ConfigReader& config) {
  layer.set_activity_regularizer(config.activity_regularizer());
  if (config.training_options().empty()) return;
  if (auto* options = dynamic_cast<TrainingOptions*>(&layer)) {
    options->lack(config.training_options());
  }
}

const std::map<std::string, Make, std::less<>>& registry() {
  static const std::map<std::string, Make, std::less<>> layers = {
#define LAMINA_REGISTER(Name, Options)                \
  {#Name, [](ConfigReader& config) -> LayerPtr {      \
     auto options = from_config<Options>(config);     \
     config.finish();                                 \
     const LayerRef layer = Name(std::move(options)); \
     note_training_options(*layer, config);           \
     return layer;                                    \
   }},
      LAMINA_LAYERS(LAMINA_REGISTER)
#undef LAMINA_REGISTER
  };
  return layers;
}

}  // namespace

LayerPtr layer_from_config(const std::string& class_name, const nlohmann::json& config) {
  const auto it = registry().find(class_name);
  if (it == registry().end()) return nullptr;
  ConfigReader reader(class_name, config);
  return it->second(reader);
}

std::vector<std::string> registered_layers() {
  std::vector<std::string> names;
  for (const auto& [name, make] : registry()) names.push_back(name);
  return names;
}

}  // namespace lamina::layers

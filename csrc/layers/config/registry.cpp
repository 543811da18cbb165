#include "layers/config/registry.h"

#include <algorithm>
#include <array>
#include <map>
#include <type_traits>

#include "layers/config/config_reader.h"
#include "layers/config/config_writer.h"
#include "layers/config/described.h"
#include "layers/config/object_config.h"
#include "layers/config/registered_layers.h"

namespace lamina::layers {
namespace {

using nlohmann::json;

/// How a registered layer is made and written.
struct Entry {
  LayerPtr (*make)(ConfigReader& config);
  json (*write)(const Layer& layer);
};

template <class Options>
void describe_layer(Config& config, Options& options) {
  describe(config, options);
  config.string("name", options.name);
  if constexpr (requires { options.trainable; }) {  // InputLayer has neither
    config.dtype_policy(options.dtype);
    config.boolean("trainable", options.trainable);
  }
}

template <class Options>
concept HasTrainable = requires(Options options) {
  options.trainable;
};
/// Whether the layer may be given an activity regularizer: InputLayer and those of spatial dropout
/// may not, and ActivityRegularization makes its own.
template <class Options>
constexpr bool kTakesActivity =
    HasTrainable<Options> && !std::is_same_v<Options, ActivityRegularizationOptions>;

template <class Options, LayerRef (*factory)(Options)>
LayerPtr make_layer_of(ConfigReader& config) {
  Options options;
  describe_layer(config, options);
  Regularizer activity;
  if constexpr (kTakesActivity<Options>) activity = config.activity_regularizer();
  config.finish();
  const LayerRef layer = factory(std::move(options));
  if constexpr (kTakesActivity<Options>) layer->set_activity_regularizer(std::move(activity));
  if (auto* unused = dynamic_cast<UnusedOptions*>(&*layer)) {
    unused->keep(config.unused_options(), config.training_options());
  }
  return layer;
}

template <class Options>
json write_layer_of(const Layer& layer) {
  const auto* described = dynamic_cast<const Described<Options>*>(&layer);
  if (described == nullptr) return nullptr;  // of one's own, under Keras's name
  Options options = described->current_options();
  ConfigWriter config(layer);
  describe_layer(config, options);
  Regularizer activity;
  if constexpr (kTakesActivity<Options>) activity = layer.activity_regularizer();
  if constexpr (requires { options.activity_regularizer; }) activity = options.activity_regularizer;
  if (activity) config.regularizer("activity_regularizer", activity);
  if (const auto* kept = dynamic_cast<const UnusedOptions*>(&layer)) {
    for (const auto& [option, value] : kept->unused().items()) {
      if (option == "activity_regularizer" && activity) continue;  // set since
      config.set(option, value);
    }
  }
  return std::move(config).take();
}

const std::map<std::string, Entry, std::less<>>& registry() {
  static const std::map<std::string, Entry, std::less<>> layers = {
#define LAMINA_REGISTER(Name, Options) \
  {#Name, {make_layer_of<Options, Name>, write_layer_of<Options>}},
      LAMINA_LAYERS(LAMINA_REGISTER)
#undef LAMINA_REGISTER
  };
  return layers;
}

/// A class that Keras does not export, which it finds in the module that has it.
struct Unexported {
  std::string_view class_name;
  const char* module;
};

constexpr auto kUnexported = std::to_array<Unexported>({
    {"CustomScaleLayer", "keras.src.applications.inception_resnet_v2"},
    {"LayerScale", "keras.src.applications.convnext"},
    {"StochasticDepth", "keras.src.applications.convnext"},
});

}  // namespace

LayerPtr layer_from_config(const std::string& class_name, const json& config) {
  const auto it = registry().find(class_name);
  if (it == registry().end()) return nullptr;
  ConfigReader reader(class_name, config);
  return it->second.make(reader);
}

std::string exported_name(const Layer& layer) {
  std::string name = layer.class_name();
  return name == "GroupedQueryAttention" ? "GroupQueryAttention" : name;
}

json layer_to_config(const Layer& layer) {
  const auto it = registry().find(exported_name(layer));
  return it == registry().end() ? json() : it->second.write(layer);
}

json object_of_layer(const Layer& layer, json config) {
  const std::string name = exported_name(layer);
  const auto own = std::ranges::find(kUnexported, name, &Unexported::class_name);
  if (own == kUnexported.end()) return object_to_config("keras.layers", name, std::move(config));
  json object = object_to_config(own->module, name, std::move(config));
  object["registered_name"] = name;
  return object;
}

std::vector<std::string> registered_layers() {
  std::vector<std::string> names;
  for (const auto& [name, entry] : registry()) names.push_back(name);
  return names;
}

}  // namespace lamina::layers

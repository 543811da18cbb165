// Initializers and activations as they stand in configurations.
#include "layers/config/object_config.h"

#include <limits>

#include "layers/activation_function.h"
#include "layers/config/registered_layers.h"

namespace lamina::layers {
namespace {

using nlohmann::json;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Each kind of initializer: what its `config` holds.
void describe_options(Config&, initializers::Zeros&) {}
void describe_options(Config&, initializers::Ones&) {}
void describe_options(Config& config, initializers::Constant& constant) {
  config.array("value", constant.value);
}
void describe_options(Config& config, initializers::RandomNormal& normal) {
  config.number("mean", normal.mean);
  config.number("stddev", normal.stddev);
}
void describe_options(Config& config, initializers::TruncatedNormal& normal) {
  config.number("mean", normal.mean);
  config.number("stddev", normal.stddev);
}
void describe_options(Config& config, initializers::RandomUniform& uniform) {
  config.number("minval", uniform.minval);
  config.number("maxval", uniform.maxval);
}
void describe_axes(Config& config) {
  config.fixed("input_axes", nullptr);
  config.fixed("output_axes", nullptr);
}
void describe_options(Config& config, initializers::VarianceScaling& scaling) {
  config.number("scale", scaling.scale);
  config.string("mode", scaling.mode);
  config.string("distribution", scaling.distribution);
  describe_axes(config);
}
void describe_options(Config& config, initializers::GlorotUniform&) {
  describe_axes(config);
}
void describe_options(Config& config, initializers::GlorotNormal&) {
  describe_axes(config);
}
void describe_options(Config& config, initializers::HeUniform&) {
  describe_axes(config);
}
void describe_options(Config& config, initializers::HeNormal&) {
  describe_axes(config);
}
void describe_options(Config& config, initializers::LecunUniform&) {
  describe_axes(config);
}
void describe_options(Config& config, initializers::LecunNormal&) {
  describe_axes(config);
}
void describe_options(Config& config, initializers::Orthogonal& orthogonal) {
  config.number("gain", orthogonal.gain);
}
void describe_options(Config& config, initializers::Identity& identity) {
  config.number("gain", identity.gain);
}

template <class Kind>
void describe_initializer(Config& config, Kind& kind) {
  describe_options(config, kind);
  if constexpr (requires { kind.seed; }) config.seed(kind.seed);
}

template <class Options>
Options read(ConfigReader& reader) {
  Options options;
  describe(reader, options);
  return options;
}

std::optional<ActivationFunction> read_activation_layer(const std::string& class_name,
                                                        const json& config) {
  ConfigReader reader(class_name, config);
  if (class_name == "ReLU") {
    const auto options = read<ReLUOptions>(reader);
    return ActivationFunction::relu(options.negative_slope, options.max_value.value_or(kInfinity),
                                    options.threshold);
  }
  if (class_name == "LeakyReLU") {
    return ActivationFunction::leaky_relu(read<LeakyReLUOptions>(reader).negative_slope);
  }
  if (class_name == "ELU") return ActivationFunction::elu(read<ELUOptions>(reader).alpha);
  if (class_name == "Softmax") {
    return ActivationFunction::softmax(read<SoftmaxOptions>(reader).axis);
  }
  if (class_name == "Activation") return read<ActivationOptions>(reader).activation;
  return std::nullopt;
}

std::optional<ActivationFunction> named_activation(const std::string& name) {
  try {
    check_activation(name);
  } catch (const ValueError&) {
    return std::nullopt;
  }
  return ActivationFunction(name);
}

/// Without the numbers by which an archive tells that objects are shared: in another they may mean
/// others.
json without_shared_ids(json value) {
  if (!value.is_structured()) return value;
  if (value.is_object()) value.erase("shared_object_id");
  for (json& item : value) item = without_shared_ids(std::move(item));
  return value;
}

/// As Keras calls the function.
std::string keras_name(const std::string& name) {
  if (name.empty()) return "linear";
  if (name == "swish") return "silu";
  return name == "hard_swish" ? "hard_silu" : name;
}

}  // namespace

json object_to_config(const char* module, const std::string& class_name, json config) {
  return {{"module", module},
          {"class_name", class_name},
          {"config", std::move(config)},
          {"registered_name", nullptr}};
}

json shape_to_config(const Shape& shape) {
  json dims = json::array();
  for (const std::int64_t dim : shape) dims.push_back(dim == kNone ? json() : json(dim));
  return dims;
}

std::optional<Initializer> initializer_from_config(const json& value) {
  return object_from_config<Initializer>(value, [](const std::string& class_name,
                                                   ConfigReader& reader) {
    return alternative_from_config<Initializer>(
        class_name, reader, [](Config& config, auto& kind) { describe_initializer(config, kind); });
  });
}

json initializer_to_config(const Initializer& value, ConfigWriter&& writer) {
  std::visit(
      [&]<class Kind>(Kind kind) {
        if constexpr (std::is_same_v<Kind, Variable::Initializer>) {
          writer.fail("is a function of one's own, which no configuration can hold.");
        } else {
          describe_initializer(writer, kind);
        }
      },
      value.kind());
  return object_to_config("keras.initializers", value.class_name(), std::move(writer).take());
}

std::optional<ActivationFunction> activation_from_config(const json& value) {
  if (value.is_null()) return ActivationFunction();
  if (value.is_string()) return named_activation(value.get<std::string>());
  if (!value.is_object()) return std::nullopt;
  const std::string class_name = text_or_empty(value, "class_name");
  const json config = value.value("config", json());
  if (class_name == "function" && config.is_string()) return named_activation(config);
  if (!config.is_object()) return std::nullopt;
  std::optional<ActivationFunction> function = read_activation_layer(class_name, config);
  if (function) {
    function->layer_config =
        object_to_config("keras.layers", class_name, without_shared_ids(config)).dump();
  }
  return function;
}

json activation_to_config(const ActivationFunction& value, ConfigWriter&& writer) {
  if (!value.layer_config.empty()) return json::parse(value.layer_config);
  const std::vector<double>& given = value.parameters;
  if (given.empty()) return keras_name(value.name);
  if (value.name == "gelu" && given[0] == 0) return "gelu";
  writer.fail(std::string("is a form of '")
                  .append(value.name)
                  .append("' that Keras's configurations have no name for."));
}

}  // namespace lamina::layers

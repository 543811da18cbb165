// Initializers and activations as they stand in configurations.
#include "layers/config/object_config.h"

#include <limits>

#include "layers/activation_function.h"
#include "layers/config/registered_layers.h"

namespace lamina::layers {
namespace {

using nlohmann::json;

std::optional<std::uint64_t> seed_of(ConfigReader& reader) {
  const std::optional<std::int64_t> seed = reader.optional_single("seed");
  return seed ? std::optional(static_cast<std::uint64_t>(*seed)) : std::nullopt;
}

// GlorotUniform and its kin: VarianceScaling by name, with a seed.
struct Scaling {
  const char* class_name;
  double scale;
  const char* mode;
  const char* distribution;
};
constexpr Scaling kScalings[] = {
    {"GlorotUniform", 1, "fan_avg", "uniform"}, {"GlorotNormal", 1, "fan_avg", "truncated_normal"},
    {"HeUniform", 2, "fan_in", "uniform"},      {"HeNormal", 2, "fan_in", "truncated_normal"},
    {"LecunUniform", 1, "fan_in", "uniform"},   {"LecunNormal", 1, "fan_in", "truncated_normal"},
};

Initializer read_scaling(ConfigReader& reader, const Scaling& named) {
  reader.require("input_axes");
  reader.require("output_axes");
  return initializers::VarianceScaling{named.scale, named.mode, named.distribution,
                                       seed_of(reader)};
}

std::optional<Initializer> read_initializer(const std::string& class_name, ConfigReader& reader) {
  for (const Scaling& named : kScalings) {
    if (class_name == named.class_name) return read_scaling(reader, named);
  }
  if (class_name == "VarianceScaling") {
    reader.require("input_axes");
    reader.require("output_axes");
    return initializers::VarianceScaling{reader.number("scale", 1), reader.string("mode", "fan_in"),
                                         reader.string("distribution", "truncated_normal"),
                                         seed_of(reader)};
  }
  if (class_name == "Zeros") return Initializer("zeros");
  if (class_name == "Ones") return Initializer("ones");
  if (class_name == "Constant") return initializers::Constant{reader.array("value", 0.0)};
  if (class_name == "RandomNormal") {
    return initializers::RandomNormal{reader.number("mean", 0), reader.number("stddev", 0.05),
                                      seed_of(reader)};
  }
  if (class_name == "TruncatedNormal") {
    return initializers::TruncatedNormal{reader.number("mean", 0), reader.number("stddev", 0.05),
                                         seed_of(reader)};
  }
  if (class_name == "RandomUniform") {
    return initializers::RandomUniform{reader.number("minval", -0.05),
                                       reader.number("maxval", 0.05), seed_of(reader)};
  }
  if (class_name == "Orthogonal") {
    return initializers::Orthogonal{reader.number("gain", 1), seed_of(reader)};
  }
  if (class_name == "Identity") return initializers::Identity{reader.number("gain", 1)};
  return std::nullopt;
}

std::optional<ActivationFunction> read_activation_layer(const std::string& class_name,
                                                        const json& config) {
  ConfigReader reader(class_name, config);
  if (class_name == "ReLU") {
    const ReLUOptions options = from_config<ReLUOptions>(reader);
    return ActivationFunction::relu(
        options.negative_slope, options.max_value.value_or(std::numeric_limits<double>::infinity()),
        options.threshold);
  }
  if (class_name == "LeakyReLU") {
    return ActivationFunction::leaky_relu(from_config<LeakyReLUOptions>(reader).negative_slope);
  }
  if (class_name == "ELU") return ActivationFunction::elu(from_config<ELUOptions>(reader).alpha);
  if (class_name == "Softmax") {
    return ActivationFunction::softmax(from_config<SoftmaxOptions>(reader).axis);
  }
  if (class_name == "Activation") return from_config<ActivationOptions>(reader).activation;
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

}  // namespace

std::optional<Initializer> initializer_from_config(const json& value) {
  return object_from_config<Initializer>(value, read_initializer);
}

std::optional<ActivationFunction> activation_from_config(const json& value) {
  if (value.is_null()) return ActivationFunction();
  if (value.is_string()) return named_activation(value.get<std::string>());
  if (!value.is_object()) return std::nullopt;
  const std::string class_name = text_or_empty(value, "class_name");
  const json config = value.value("config", json());
  if (class_name == "function" && config.is_string()) return named_activation(config);
  return config.is_object() ? read_activation_layer(class_name, config) : std::nullopt;
}

}  // namespace lamina::layers

#include "layers/config/config_reader.h"

#include <cmath>

#include "layers/activation_function.h"

namespace lamina::layers {
namespace {

using nlohmann::json;

bool flatten(const json& value, std::size_t depth, std::vector<double>& values,
             std::vector<std::int64_t>& dims) {
  constexpr std::size_t kDeepest = 16;
  if (value.is_number()) {
    values.push_back(value.get<double>());
    return depth == dims.size();
  }
  if (!value.is_array() || depth > kDeepest) return false;
  const auto size = static_cast<std::int64_t>(value.size());
  if (depth == dims.size() && values.empty()) {
    dims.push_back(size);
  } else if (depth >= dims.size() || dims[depth] != size) {
    return false;
  }
  for (const json& item : value) {
    if (!flatten(item, depth + 1, values, dims)) return false;
  }
  return true;
}

/// The value's text for a message.
std::string shortened(const json& value) {
  constexpr std::size_t kLongest = 200;
  const std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() > kLongest ? text.substr(0, kLongest) + "..." : text;
}

/// What `make` says of a name that it refuses: which names there are.
template <class Make>
std::string said_of(const json& value, const Make& make) {
  if (!value.is_string()) return "";
  try {
    make(value.get<std::string>());
  } catch (const ValueError& error) {
    return std::string(". ").append(error.what());
  }
  return "";
}

}  // namespace

ConfigReader::ConfigReader(std::string class_name, const json& config)
    : class_name_(std::move(class_name)), config_(config) {
  if (!config.is_object()) {
    throw UnsupportedError("The configuration of a layer of the class '" + class_name_ +
                           "' is not an object.");
  }
}

const json* ConfigReader::find(std::string_view option) {
  const auto it = config_.find(option);
  known_.emplace(option);
  return it == config_.end() ? nullptr : &*it;
}

std::string ConfigReader::named(std::string_view option) const {
  const auto name = config_.find("name");
  std::string text = "Layer '";
  text += name != config_.end() && name->is_string() ? name->get<std::string>() : "?";
  text.append("' (").append(class_name_).append("): the option '").append(option);
  return text.append(1, '\'');
}

void ConfigReader::unsupported(std::string_view option, const std::string& more) const {
  const auto value = config_.find(option);
  const std::string text = value == config_.end() ? "missing" : shortened(*value);
  throw UnsupportedError(named(option) + " has a value that is not supported: " + text + more);
}

void ConfigReader::finish() const {
  for (const auto& item : config_.items()) {
    if (!known_.contains(item.key())) {
      throw UnsupportedError(named(item.key()) + " is not supported.");
    }
  }
}

bool ConfigReader::boolean(std::string_view option, bool fallback) {
  const json* value = find(option);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) unsupported(option);
  return value->get<bool>();
}

std::int64_t ConfigReader::to_integer(std::string_view option, const json& value) const {
  if (value.is_number_integer()) {
    if (value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t{1} << 62) {
      unsupported(option);
    }
    return value.get<std::int64_t>();
  }
  // Python writes whole numbers as floats now and then.
  const double number = value.is_number() ? value.get<double>() : 0.5;
  if (number != std::floor(number) || std::fabs(number) > 1e15) unsupported(option);
  return static_cast<std::int64_t>(number);
}

std::int64_t ConfigReader::integer(std::string_view option, std::optional<std::int64_t> fallback) {
  const json* value = find(option);
  if (value == nullptr && fallback) return *fallback;
  if (value == nullptr) unsupported(option);
  return to_integer(option, *value);
}

double ConfigReader::number(std::string_view option, double fallback) {
  const json* value = find(option);
  if (value == nullptr) return fallback;
  if (!value->is_number()) unsupported(option);
  return value->get<double>();
}

std::optional<double> ConfigReader::optional_number(std::string_view option) {
  const json* value = find(option);
  if (value == nullptr || value->is_null()) return std::nullopt;
  return number(option, 0);
}

std::string ConfigReader::string(std::string_view option, std::string fallback) {
  const json* value = find(option);
  if (value == nullptr || value->is_null()) return fallback;
  if (!value->is_string()) unsupported(option);
  return value->get<std::string>();
}

std::int64_t ConfigReader::single(std::string_view option, std::optional<std::int64_t> fallback) {
  const json* value = find(option);
  if (value == nullptr || !value->is_array()) return integer(option, fallback);
  if (value->size() != 1) unsupported(option);
  return to_integer(option, value->front());
}

std::optional<std::int64_t> ConfigReader::optional_single(std::string_view option) {
  const json* value = find(option);
  if (value == nullptr || value->is_null()) return std::nullopt;
  return single(option);
}

IntPair ConfigReader::to_pair(std::string_view option, const json& value) const {
  if (!value.is_array()) return to_integer(option, value);
  if (value.size() != 2) unsupported(option);
  return {to_integer(option, value[0]), to_integer(option, value[1])};
}

IntPair ConfigReader::pair(std::string_view option, std::optional<IntPair> fallback) {
  const json* value = find(option);
  if (value == nullptr && fallback) return *fallback;
  if (value == nullptr) unsupported(option);
  return to_pair(option, *value);
}

std::optional<IntPair> ConfigReader::optional_pair(std::string_view option) {
  const json* value = find(option);
  if (value == nullptr || value->is_null()) return std::nullopt;
  return to_pair(option, *value);
}

Axes ConfigReader::axes(std::string_view option, Axes fallback) {
  const json* value = find(option);
  if (value == nullptr) return fallback;
  if (value->is_null()) return {};
  if (!value->is_array()) return to_integer(option, *value);
  Axes result;
  for (const json& item : *value) result.values.push_back(to_integer(option, item));
  return result;
}

Shape ConfigReader::to_shape(std::string_view option, const json& value) const {
  if (!value.is_array()) unsupported(option);
  Shape result;
  for (const json& item : value)
    result.push_back(item.is_null() ? kNone : to_integer(option, item));
  return result;
}

Shape ConfigReader::shape(std::string_view option) {
  const json* value = find(option);
  if (value == nullptr) unsupported(option);
  return to_shape(option, *value);
}

OptionalShape ConfigReader::optional_shape(std::string_view option) {
  const json* value = find(option);
  if (value == nullptr || value->is_null()) return {};
  return to_shape(option, *value);
}

Shape ConfigReader::shape_or_size(std::string_view option) {
  const json* value = find(option);
  if (value == nullptr) unsupported(option);
  return value->is_array() ? to_shape(option, *value) : Shape{to_integer(option, *value)};
}

Shape ConfigReader::batch_shape(std::string_view option) {
  Shape result = shape(option);
  for (const std::int64_t dim : result) {
    if (dim < kNone) unsupported(option);
  }
  return result;
}

Padding2D ConfigReader::padding2d(std::string_view option) {
  const json* value = find(option);
  if (value == nullptr) return {};
  if (!value->is_array()) return to_integer(option, *value);
  if (value->size() != 2) unsupported(option);
  return {to_pair(option, (*value)[0]), to_pair(option, (*value)[1])};
}

ArrayLike ConfigReader::array(std::string_view option, ArrayLike fallback) {
  const json* value = find(option);
  if (value == nullptr) return fallback;
  if (value->is_null()) return {};
  std::vector<double> values;
  std::vector<std::int64_t> dims;
  if (!flatten(*value, 0, values, dims)) unsupported(option);
  return {std::move(values), Shape(std::move(dims))};
}

Initializer ConfigReader::initializer(std::string_view option, const char* fallback) {
  const json* value = find(option);
  if (value == nullptr || value->is_null()) return fallback;
  const std::optional<Initializer> result = initializer_from_config(*value);
  if (!result) {
    unsupported(option, said_of(*value, [](const std::string& name) { (void)Initializer(name); }));
  }
  return *result;
}

ActivationFunction ConfigReader::activation(std::string_view option) {
  const json* value = find(option);
  if (value == nullptr) return {};
  const std::optional<ActivationFunction> result = activation_from_config(*value);
  if (!result) {
    unsupported(option, said_of(*value, [](const std::string& name) { check_activation(name); }));
  }
  return *result;
}

Regularizer ConfigReader::regularizer(std::string_view option) {
  const json* value = find(option);
  if (value == nullptr || value->is_null()) return {};
  const std::optional<Regularizer> result = regularizer_from_config(*value);
  if (!result) training_only({option});
  return result.value_or(Regularizer());
}

void ConfigReader::read_activity_regularizer() {
  constexpr std::string_view kOption = "activity_regularizer";
  activity_regularizer_ = regularizer(kOption);
  if (!activity_regularizer_.orthogonal()) return;
  training_only({kOption});  // of weights only
  activity_regularizer_ = {};
}

Constraint ConfigReader::constraint(std::string_view option) {
  const json* value = find(option);
  if (value == nullptr || value->is_null()) return {};
  const std::optional<Constraint> result = constraint_from_config(*value);
  if (!result) training_only({option});
  return result.value_or(Constraint());
}

void ConfigReader::weights(std::initializer_list<WeightOptions> all) {
  for (const WeightOptions& weight : all) {
    weight.initializer = initializer(weight.name + "_initializer", weight.fallback);
  }
  for (const WeightOptions& weight : all) {
    weight.regularizer = regularizer(weight.name + "_regularizer");
  }
  for (const WeightOptions& weight : all) {
    weight.constraint = constraint(weight.name + "_constraint");
  }
}

std::string ConfigReader::dtype(std::string fallback) {
  const json* value = find("dtype");
  if (value == nullptr || value->is_null()) return fallback;
  if (value->is_object()) {
    const std::string policy = value->value("class_name", json()).is_string()
                                   ? value->at("class_name").get<std::string>()
                                   : std::string();
    const json config = value->value("config", json::object());
    if ((policy != "DTypePolicy" && policy != "FloatDTypePolicy") || !config.is_object() ||
        !config.value("name", json()).is_string()) {
      unsupported("dtype");
    }
    fallback = config.at("name").get<std::string>();
  } else if (value->is_string()) {
    fallback = value->get<std::string>();
  } else {
    unsupported("dtype");
  }
  try {
    (void)DTypePolicy::from_name(fallback);
  } catch (const ValueError&) {
    unsupported("dtype");
  }
  return fallback;
}

std::string ConfigReader::data_format() {
  return string("data_format", "channels_last");
}

void ConfigReader::ignore(std::initializer_list<std::string_view> options) {
  for (const std::string_view option : options) known_.emplace(option);
}

void ConfigReader::training_only(std::initializer_list<std::string_view> options) {
  for (const std::string_view option : options) {
    const json* value = find(option);
    if (value == nullptr || value->is_null()) continue;
    const auto text = [](const json& given) {
      return given.is_string() ? given.get<std::string>() : shortened(given);
    };
    std::string name = text(value->is_object() ? value->value("class_name", json()) : *value);
    const json config = value->is_object() ? value->value("config", json()) : json();
    if (config.is_object() && !config.empty()) name.append(1, ' ').append(text(config));
    training_options_.push_back({std::string(option), std::move(name)});
  }
}

void ConfigReader::require(std::string_view option, const json& value) {
  const json* found = find(option);
  if (found != nullptr && !found->is_null() && *found != value) unsupported(option);
}

}  // namespace lamina::layers

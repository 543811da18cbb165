#include "layers/config/config_reader.h"

#include <cmath>

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

/// The numbers of a serialized array or tensor; what is neither stays as it is.
const json& numbers_of(const json& value) {
  static const json::json_pointer kClass("/class_name"), kValue("/config/value");
  if (!value.is_object() || !value.contains(kClass) || !value.contains(kValue)) return value;
  const json& class_name = value.at(kClass);
  return class_name == "__numpy__" || class_name == "__tensor__" ? value.at(kValue) : value;
}

/// The value's text for a message.
std::string shortened(const json& value) {
  constexpr std::size_t kLongest = 200;
  const std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() > kLongest ? text.substr(0, kLongest) + "..." : text;
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

const json* ConfigReader::find_given(std::string_view option) {
  const json* value = find(option);
  return value == nullptr || value->is_null() ? nullptr : value;
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

void ConfigReader::required(std::initializer_list<std::string_view> options) {
  for (const std::string_view option : options) {
    if (find(option) == nullptr) unsupported(option);
  }
}

void ConfigReader::boolean(std::string_view option, bool& value) {
  const json* found = find(option);
  if (found == nullptr) return;
  if (!found->is_boolean()) unsupported(option);
  value = found->get<bool>();
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

void ConfigReader::integer(std::string_view option, std::int64_t& value) {
  if (const json* found = find(option)) value = to_integer(option, *found);
}

void ConfigReader::optional_integer(std::string_view option, std::optional<std::int64_t>& value) {
  if (const json* found = find_given(option)) value = to_single(option, *found);
}

void ConfigReader::number(std::string_view option, double& value) {
  const json* found = find(option);
  if (found == nullptr) return;
  if (!found->is_number()) unsupported(option);
  value = found->get<double>();
}

void ConfigReader::optional_number(std::string_view option, std::optional<double>& value) {
  if (find_given(option) == nullptr) return;
  double number = 0;
  this->number(option, number);
  value = number;
}

void ConfigReader::string(std::string_view option, std::string& value) {
  const json* found = find_given(option);
  if (found == nullptr) return;
  if (!found->is_string()) unsupported(option);
  value = found->get<std::string>();
}

void ConfigReader::optional_string(std::string_view option, std::string& value) {
  if (const json* found = find(option); found != nullptr && found->is_null()) value.clear();
  string(option, value);
}

std::int64_t ConfigReader::to_single(std::string_view option, const json& value) const {
  if (!value.is_array()) return to_integer(option, value);
  if (value.size() != 1) unsupported(option);
  return to_integer(option, value.front());
}

void ConfigReader::single(std::string_view option, std::int64_t& value) {
  if (const json* found = find(option)) value = to_single(option, *found);
}

void ConfigReader::optional_single(std::string_view option, std::optional<std::int64_t>& value) {
  optional_integer(option, value);
}

IntPair ConfigReader::to_pair(std::string_view option, const json& value) const {
  if (!value.is_array()) return to_integer(option, value);
  if (value.size() != 2) unsupported(option);
  return {to_integer(option, value[0]), to_integer(option, value[1])};
}

void ConfigReader::pair(std::string_view option, IntPair& value) {
  if (const json* found = find(option)) value = to_pair(option, *found);
}

void ConfigReader::optional_pair(std::string_view option, std::optional<IntPair>& value) {
  if (const json* found = find_given(option)) value = to_pair(option, *found);
}

IntTriple ConfigReader::to_triple(std::string_view option, const json& value) const {
  if (!value.is_array()) return to_integer(option, value);
  if (value.size() != 3) unsupported(option);
  return {to_integer(option, value[0]), to_integer(option, value[1]), to_integer(option, value[2])};
}

void ConfigReader::triple(std::string_view option, IntTriple& value) {
  if (const json* found = find(option)) value = to_triple(option, *found);
}

void ConfigReader::optional_triple(std::string_view option, std::optional<IntTriple>& value) {
  if (const json* found = find_given(option)) value = to_triple(option, *found);
}

void ConfigReader::axis(std::string_view option, std::int64_t& value) {
  single(option, value);
}

void ConfigReader::axes(std::string_view option, Axes& value, AxesForm form) {
  const json* found = find(option);
  if (found == nullptr) return;
  // An empty list of axes is none, where null may be all.
  if (found->is_null() && (form == AxesForm::kOneOrList || form == AxesForm::kList)) {
    unsupported(option);
  }
  if (found->is_array() && found->empty() &&
      (form == AxesForm::kOneOrList || form == AxesForm::kOneOrListOrNull)) {
    unsupported(option);
  }
  value = {};
  if (found->is_null()) return;
  if (!found->is_array()) {
    value = to_integer(option, *found);
    return;
  }
  for (const json& item : *found) value.values.push_back(to_integer(option, item));
}

void ConfigReader::integers(std::string_view option, std::vector<std::int64_t>& value) {
  const json* found = find(option);
  if (found == nullptr) return;
  if (!found->is_array()) unsupported(option);
  value.clear();
  for (const json& item : *found) value.push_back(to_integer(option, item));
}

Shape ConfigReader::to_shape(std::string_view option, const json& value) const {
  if (!value.is_array()) unsupported(option);
  Shape result;
  for (const json& item : value)
    result.push_back(item.is_null() ? kNone : to_integer(option, item));
  return result;
}

void ConfigReader::shape(std::string_view option, Shape& value) {
  const json* found = find(option);
  if (found == nullptr) return;
  value = found->is_array() ? to_shape(option, *found) : Shape{to_integer(option, *found)};
}

void ConfigReader::optional_shape(std::string_view option, OptionalShape& value) {
  if (const json* found = find_given(option)) value = to_shape(option, *found);
}

void ConfigReader::batch_shape(std::string_view option, OptionalShape& value) {
  required({option});
  Shape result = to_shape(option, *find(option));
  for (const std::int64_t dim : result) {
    if (dim < kNone) unsupported(option);
  }
  value = std::move(result);
}

void ConfigReader::padding2d(std::string_view option, Padding2D& value) {
  const json* found = find(option);
  if (found == nullptr) return;
  if (!found->is_array()) {
    value = to_integer(option, *found);
    return;
  }
  if (found->size() != 2) unsupported(option);
  value = {to_pair(option, (*found)[0]), to_pair(option, (*found)[1])};
}

void ConfigReader::padding3d(std::string_view option, Padding3D& value) {
  const json* found = find(option);
  if (found == nullptr) return;
  if (!found->is_array()) {
    value = to_integer(option, *found);
    return;
  }
  if (found->size() != 3) unsupported(option);
  value = {to_pair(option, (*found)[0]), to_pair(option, (*found)[1]),
           to_pair(option, (*found)[2])};
}

void ConfigReader::array(std::string_view option, ArrayLike& value) {
  const json* found = find(option);
  if (found == nullptr) return;
  value = {};
  if (found->is_null()) return;
  std::vector<double> values;
  std::vector<std::int64_t> dims;
  if (!flatten(numbers_of(*found), 0, values, dims)) unsupported(option);
  value = {std::move(values), Shape(std::move(dims))};
}

void ConfigReader::keep(std::string_view option) {
  if (const json* found = find(option)) unused_[std::string(option)] = *found;
}

void ConfigReader::unused(std::string_view option, const json&) {
  keep(option);
}

void ConfigReader::unused(std::initializer_list<std::string_view> options) {
  for (const std::string_view option : options) keep(option);
}

void ConfigReader::training_only(std::initializer_list<std::string_view> options) {
  for (const std::string_view option : options) {
    const json* value = find_given(option);
    if (value == nullptr) continue;
    const auto text = [](const json& given) {
      return given.is_string() ? given.get<std::string>() : shortened(given);
    };
    std::string name = text(value->is_object() ? value->value("class_name", json()) : *value);
    const json config = value->is_object() ? value->value("config", json()) : json();
    if (config.is_object() && !config.empty()) name.append(1, ' ').append(text(config));
    training_options_.push_back({std::string(option), std::move(name)});
    keep(option);
  }
}

void ConfigReader::fixed(std::string_view option, const json& value) {
  const json* found = find_given(option);
  if (found != nullptr && *found != value) unsupported(option);
}

void ConfigReader::absent(std::initializer_list<std::string_view> options) {
  for (const std::string_view option : options) {
    if (find_given(option) != nullptr) unsupported(option);
  }
}

}  // namespace lamina::layers

#include "training/config_fields.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>

#include "core/printable.h"
#include "training/object_config.h"

namespace lamina::training {
namespace {

using nlohmann::json;

bool parse(const json& value, double& into) {
  if (!value.is_number()) return false;
  into = value.get<double>();
  return true;
}

/// Python's numbers need not be of the type that they are used as: 1000.0 steps are some.
bool parse(const json& value, std::int64_t& into) {
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (value.is_number_float()) {
    const auto number = value.get<double>();
    if (!(std::fabs(number) <= kExact) || number != std::floor(number)) return false;
    into = static_cast<std::int64_t>(number);
    return true;
  }
  if (!value.is_number_integer()) return false;
  if (value.is_number_unsigned() && !std::in_range<std::int64_t>(value.get<std::uint64_t>())) {
    return false;
  }
  into = value.get<std::int64_t>();
  return true;
}

bool parse(const json& value, std::string& into) {
  if (!value.is_string()) return false;
  into = value.get<std::string>();
  return true;
}

json as_json(const Fields::Constant& value) {
  return std::visit([](const auto& each) { return json(each); }, value);
}

/// As a message shows it.
std::string text_of(const json& value) {
  constexpr std::size_t kMost = 80;
  std::string text = value.dump(-1, ' ', true);
  return core::printable(text.size() > kMost ? text.substr(0, kMost) + "..." : std::move(text));
}

}  // namespace

ConfigReader::ConfigReader(const json& config, std::string what, std::string name)
    : Fields(std::move(what), std::move(name)), config_(config) {
  if (config_.is_object()) return;
  throw FormatError(fmt::format("The {} {}: its 'config' is no object", what_, name_));
}

const json* ConfigReader::find(const char* key) {
  known_.emplace_back(key);
  const auto it = config_.find(key);
  return it == config_.end() ? nullptr : &*it;
}

void ConfigReader::refuse(const char* key, const char* expected) const {
  fail(key, text_of(config_.at(key)), expected);
}

Fields::Given ConfigReader::given(const char* key, bool /*holds*/) {
  const json* value = find(key);
  if (value == nullptr) return Given::kNot;
  return value->is_null() ? Given::kNone : Given::kValue;
}

void ConfigReader::take(const char* key, double& into) {
  const json* value = find(key);
  if (value != nullptr && !parse(*value, into)) refuse(key, "a number");
}

void ConfigReader::take(const char* key, std::int64_t& into) {
  const json* value = find(key);
  if (value != nullptr && !parse(*value, into)) refuse(key, "an integer");
}

void ConfigReader::take(const char* key, bool& into) {
  const json* value = find(key);
  if (value == nullptr) return;
  if (!value->is_boolean()) refuse(key, "true or false");
  into = value->get<bool>();
}

void ConfigReader::take(const char* key, std::string& into) {
  const json* value = find(key);
  if (value == nullptr) return;
  if (!parse(*value, into)) refuse(key, "a string");
}

void ConfigReader::take(const char* key, LearningRate& into) {
  const json* value = find(key);
  if (value == nullptr) return;
  double number = 0;
  if (parse(*value, number)) {
    into = number;
  } else {
    into = schedule_from(*value);
  }
}

void ConfigReader::take(const char* key, OptimizerPtr& into) {
  if (const json* value = find(key)) into = optimizer_from(*value);
}

template <class T>
void ConfigReader::take_list(const char* key, std::vector<T>& into, const char* expected) {
  const json* value = find(key);
  if (value == nullptr) return;
  if (T one{}; std::is_integral_v<T> && parse(*value, one)) {
    into = {one};  // as Keras takes an axis
    return;
  }
  if (!value->is_array()) refuse(key, expected);
  std::vector<T> list(value->size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!parse((*value)[i], list[i])) refuse(key, expected);
  }
  into = std::move(list);
}

void ConfigReader::take(const char* key, std::vector<double>& into) {
  take_list(key, into, "a list of numbers");
}

void ConfigReader::take(const char* key, std::vector<std::int64_t>& into) {
  take_list(key, into, "a list of numbers");
}

void ConfigReader::take(const char* key, std::vector<std::string>& into) {
  take_list(key, into, "a list of strings");
}

void ConfigReader::fixed(const char* key, Constant value) {
  const json* found = find(key);
  const json expected = as_json(value);
  if (found == nullptr || *found == expected) return;
  throw UnsupportedError(fmt::format("The {} {}: the option {}={} is not supported, only {}", what_,
                                     name_, key, text_of(*found), text_of(expected)));
}

void ConfigReader::unused(const char* key, const char* /*value*/) {
  known_.emplace_back(key);
}

void ConfigReader::finish() const {
  for (const auto& [key, value] : config_.items()) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    throw UnsupportedError(fmt::format("The {} {} has no option '{}'; it has {}", what_, name_,
                                       core::printable(key), fmt::join(known_, ", ")));
  }
}

double finite_number(double value, std::string_view what) {
  if (std::isfinite(value)) return value;
  throw UnsupportedError(fmt::format("{} is {}, which JSON has no number for", what, value));
}

double ConfigWriter::checked(const char* key, double value) const {
  return finite_number(value, fmt::format("the option {} of {}", key, name_));
}

void ConfigWriter::take(const char* key, double& value) {
  config[key] = checked(key, value);
}

void ConfigWriter::take(const char* key, std::vector<double>& value) {
  for (const double each : value) (void)checked(key, each);
  config[key] = value;
}

void ConfigWriter::take(const char* key, LearningRate& value) {
  if (value.schedule()) {
    config[key] = schedule_object(*value.schedule());
  } else {
    config[key] = checked(key, value.value());
  }
}

void ConfigWriter::take(const char* key, OptimizerPtr& value) {
  config[key] = inner_optimizer_object(*value);
}

void ConfigWriter::fixed(const char* key, Constant value) {
  config[key] = as_json(value);
}

Fields::Given ConfigWriter::given(const char* key, bool holds) {
  if (holds) return Given::kValue;
  config[key] = nullptr;
  return Given::kNot;
}

}  // namespace lamina::training

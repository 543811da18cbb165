#include "training/spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "training/by_name.h"

namespace lamina::training {
namespace {

/// "Name(a=1,b=2)" and "Name:a=1,b=2" are the same.
std::pair<std::string, std::string> split_name(std::string_view text) {
  const auto open = text.find_first_of(":(");
  if (open == std::string_view::npos) return {std::string(text), ""};
  std::string_view rest = text.substr(open + 1);
  if (text[open] == '(' && rest.ends_with(')')) rest.remove_suffix(1);
  return {std::string(text.substr(0, open)), std::string(rest)};
}

/// The parts between commas that stand outside parentheses.
std::vector<std::string> split_options(const std::string& text) {
  std::vector<std::string> parts;
  int depth = 0;
  std::string part;
  for (const char c : text) {
    depth += (c == '(') - (c == ')');
    if (c == ',' && depth == 0) {
      parts.push_back(std::exchange(part, {}));
    } else {
      part += c;
    }
  }
  if (!part.empty() || !parts.empty()) parts.push_back(part);
  return parts;
}

template <class T>
bool parse(std::string_view text, T& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc() && end == text.data() + text.size();
}

bool parse(std::string_view text, std::string& into) {
  into = text;
  return true;
}

/// "[1 2 3]"
template <class T>
bool parse_list(std::string_view text, std::vector<T>& into) {
  if (!text.starts_with('[') || !text.ends_with(']')) return false;
  text = text.substr(1, text.size() - 2);
  into.clear();
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    if (end > 0 && !parse(text.substr(0, end), into.emplace_back())) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

}  // namespace

Spec::Spec(std::string_view text, std::string what) : Fields(std::move(what)) {
  std::string rest;
  std::tie(name_, rest) = split_name(text);
  for (const std::string& option : split_options(rest)) {
    const auto equal = option.find('=');
    if (equal == std::string::npos || equal == 0) {
      throw ValueError(
          fmt::format("The {} '{}': expected options as key=value, not '{}'", what_, text, option));
    }
    options_[option.substr(0, equal)] = option.substr(equal + 1);
  }
}

const std::string* Spec::find(const char* key) {
  known_.emplace_back(key);
  const auto it = options_.find(key);
  return it == options_.end() ? nullptr : &it->second;
}

Fields::Given Spec::given(const char* key, bool /*holds*/) {
  if (options_.contains(key)) return Given::kValue;
  known_.emplace_back(key);
  return Given::kNot;
}

void Spec::take(const char* key, double& into) {
  const std::string* value = find(key);
  if (value != nullptr && !parse(*value, into)) fail(key, *value, "a number");
}

void Spec::take(const char* key, std::int64_t& into) {
  const std::string* value = find(key);
  if (value != nullptr && !parse(*value, into)) fail(key, *value, "an integer");
}

void Spec::take(const char* key, bool& into) {
  const std::string* value = find(key);
  if (value == nullptr) return;
  into = *value == "true" || *value == "True";
  if (!into && *value != "false" && *value != "False") fail(key, *value, "true or false");
}

void Spec::take(const char* key, std::string& into) {
  if (const std::string* value = find(key)) into = *value;
}

void Spec::take(const char* key, LearningRate& into) {
  const std::string* value = find(key);
  if (value == nullptr) return;
  double number = 0;
  if (parse(*value, number)) {
    into = number;
  } else if (value->find_first_of(":(") == value->npos) {  // no schedule is without options
    fail(key, *value,
         "a number, or a schedule as CosineDecay(initial_learning_rate=0.1,decay_steps=1000)");
  } else {
    into = make_schedule(*value);
  }
}

void Spec::take(const char* key, OptimizerPtr& into) {
  if (const std::string* value = find(key)) into = make_optimizer(*value);
}

void Spec::take(const char* key, std::vector<double>& into) {
  const std::string* value = find(key);
  if (value != nullptr && !parse_list(*value, into)) fail(key, *value, "a list as [0.1 0.2]");
}

void Spec::take(const char* key, std::vector<std::int64_t>& into) {
  const std::string* value = find(key);
  if (value == nullptr) return;
  std::int64_t one = 0;
  if (parse(*value, one)) {
    into = {one};
  } else if (!parse_list(*value, into)) {
    fail(key, *value, "a list as [1 2]");
  }
}

void Spec::take(const char* key, std::vector<std::string>& into) {
  const std::string* value = find(key);
  if (value != nullptr && !parse_list(*value, into)) fail(key, *value, "a list as [dense head]");
}

void Spec::finish() const {
  for (const auto& [key, value] : options_) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    throw ValueError(fmt::format("The {} {} has no option '{}'; it has {}", what_, name_, key,
                                 fmt::join(known_, ", ")));
  }
}

}  // namespace lamina::training

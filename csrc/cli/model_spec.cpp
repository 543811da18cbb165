#include "cli/model_spec.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <lamina/error.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "core/terminal_progress.h"
#include "models/keras/keras_config.h"

namespace lamina::cli {
namespace {

using Options = applications::Options;

[[noreturn]] void bad_value(std::string_view key, std::string_view value,
                            std::string_view expected) {
  throw ValueError(
      fmt::format("Option '{}' of the model is '{}', expected {}", key, value, expected));
}

bool to_bool(std::string_view key, std::string_view value) {
  if (value == "true" || value == "True" || value == "1") return true;
  if (value == "false" || value == "False" || value == "0") return false;
  bad_value(key, value, "true or false");
}

double to_number(std::string_view key, std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) bad_value(key, text, "a number");
  return value;
}

std::optional<std::int64_t> to_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

std::int64_t to_positive(std::string_view key, std::string_view text) {
  const auto value = to_integer(text);
  if (!value || *value < 1) bad_value(key, text, "a positive number");
  return *value;
}

/// "480x480x3", an unknown dimension as "none".
Shape to_shape(std::string_view key, std::string_view text) {
  Shape shape;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('x', begin), text.size());
    const std::string_view dim = text.substr(begin, end - begin);
    const auto value = dim == "none" || dim == "None" ? kNone : to_integer(dim);
    if (!value) bad_value(key, text, "dimensions as 480x480x3");
    shape.push_back(*value);
    begin = end + 1;
  }
  return shape;
}

struct Option {
  std::string_view key;
  std::function<void(Options&, std::string_view key, std::string_view value)> set;
};

const std::vector<Option>& option_table() {
  using Text = std::string_view;
  static const std::vector<Option> kTable = {
      {"include_top", [](Options& o, Text k, Text v) { o.include_top = to_bool(k, v); }},
      {"input_shape", [](Options& o, Text k, Text v) { o.input_shape = to_shape(k, v); }},
      {"pooling",
       [](Options& o, Text k, Text v) {
         if (v != "avg" && v != "max" && v != "none") bad_value(k, v, "avg, max or none");
         o.pooling = v == "none" ? "" : v;
       }},
      {"classes", [](Options& o, Text k, Text v) { o.classes = to_positive(k, v); }},
      {"classifier_activation",
       [](Options& o, Text, Text v) {
         o.classifier_activation = v == "none" ? "linear" : std::string(v);
       }},
      {"include_preprocessing",
       [](Options& o, Text k, Text v) { o.include_preprocessing = to_bool(k, v); }},
      {"alpha", [](Options& o, Text k, Text v) { o.alpha = to_number(k, v); }},
      {"depth_multiplier",
       [](Options& o, Text k, Text v) { o.depth_multiplier = to_positive(k, v); }},
      {"dropout", [](Options& o, Text k, Text v) { o.dropout = to_number(k, v); }},
      {"dropout_rate", [](Options& o, Text k, Text v) { o.dropout_rate = to_number(k, v); }},
      {"minimalistic", [](Options& o, Text k, Text v) { o.minimalistic = to_bool(k, v); }},
      {"weights", [](Options& o, Text, Text v) { o.weights = v == "none" ? "" : v; }},
      {"name", [](Options& o, Text, Text v) { o.name = v; }}};
  return kTable;
}

void set_option(Options& options, std::string_view item) {
  const auto& table = option_table();
  const std::size_t equals = item.find('=');
  const std::string_view key = item.substr(0, equals);
  const auto option = std::ranges::find(table, key, &Option::key);
  if (option == table.end()) {
    std::vector<std::string_view> keys;
    keys.reserve(table.size());
    for (const Option& known : table) keys.push_back(known.key);
    throw ValueError(
        fmt::format("The model has no option '{}'; there are: {}", key, fmt::join(keys, ", ")));
  }
  if (equals == std::string_view::npos)
    bad_value(key, "", "a value, as " + std::string(key) + "=...");
  option->set(options, key, item.substr(equals + 1));
}

bool has_suffix(const std::string& spec, std::string_view suffix) {
  return spec.ends_with(suffix);
}

bool is_whole_model(const std::string& spec) {
  return has_suffix(spec, ".keras") || has_suffix(spec, ".h5") || has_suffix(spec, ".hdf5");
}

std::string name_in(const std::string& spec) {
  return spec.substr(0, spec.find(':'));
}

/// None where `spec` is no application.
std::optional<Options> application_options(const std::string& spec) {
  const std::string name = name_in(spec);
  const auto known = applications::names();
  if (std::ranges::find(known, name) == known.end()) return {};
  return parse_application_options(name.size() < spec.size() ? spec.substr(name.size() + 1) : "");
}

}  // namespace

Options parse_application_options(const std::string& text) {
  Options options;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    set_option(options, std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
  }
  return options;
}

bool carries_weights(const std::string& spec) {
  const auto options = application_options(spec);
  return options ? !options->weights.empty() : is_whole_model(spec);
}

ModelPtr make_model(const std::string& spec, Compiled compiled) {
  if (auto options = application_options(spec)) {
    return applications::by_name(name_in(spec), std::move(*options));
  }
  if (has_suffix(spec, ".json")) {
    return compiled == Compiled::kAsSaved ? Model::from_json(spec)
                                          : models::uncompiled_from_json(spec);
  }
  if (is_whole_model(spec)) {
    core::TerminalProgress bar("load", 0, core::TerminalProgress::Style::kBytes);
    return Model::load(spec, {.compile = compiled == Compiled::kAsSaved,
                              .progress = [&](std::uint64_t done, std::uint64_t total) {
                                bar.update(done, total);
                              }});
  }
  throw ValueError(fmt::format(
      "'{}' is neither a path to a .json, .keras or .h5 file nor an application; there are: {}",
      spec, fmt::join(applications::names(), ", ")));
}

ModelPtr make_fresh_model(const std::string& spec, Compiled compiled,
                          std::optional<std::uint64_t> seed) {
  if (seed) set_random_seed(*seed);
  if (!carries_weights(spec)) return make_model(spec, compiled);
  if (application_options(spec)) {
    throw ValueError("'" + spec +
                     "' brings weights of its own where others are asked for: leave weights out");
  }
  return models::fresh_from_archive(spec, compiled == Compiled::kAsSaved);
}

}  // namespace lamina::cli

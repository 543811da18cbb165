#include "training/fit/by_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "checkpoint/names/python_text.h"

namespace lamina {

MetricArgument::MetricArgument(std::initializer_list<MetricArgument> each) : is_list(true) {
  const auto is_name = [](const MetricArgument& one) { return !one.is_list && !one.all[0].metric; };
  if (each.size() == 2 && is_name(each.begin()[0]) && each.begin()[1].is_list) {
    output = each.begin()[0].all[0].name;
    all = each.begin()[1].all;
    return;
  }
  for (const MetricArgument& one : each) all.insert(all.end(), one.all.begin(), one.all.end());
}

namespace training {
namespace {

using checkpoint::python_list;
using Names = std::vector<std::string>;

bool same_names(const Names& a, const Names& b) {
  return std::set(a.begin(), a.end()) == std::set(b.begin(), b.end());
}

bool has_twice(const Names& names) {
  return std::set(names.begin(), names.end()).size() != names.size();
}

enum class Others { kRefused, kIgnored };

/// What is given by names, in the order of `outputs`: of each of them, and `others`. `argument` is
/// "loss".
template <class T>
std::vector<T> in_order(const std::vector<T>& given, const Names& names, const Names& outputs,
                        const char* argument, Others others = Others::kRefused) {
  const std::set<std::string> all(names.begin(), names.end());
  const bool complete = std::all_of(outputs.begin(), outputs.end(),
                                    [&](const auto& output) { return all.contains(output); });
  const bool only = others == Others::kIgnored || same_names(names, outputs);
  if (!complete || !only || has_twice(names)) {
    throw ValueError(fmt::format("Expected keys {} in {} dict, but found {}.keys()={}",
                                 python_list(outputs), argument, argument, python_list(names)));
  }
  std::vector<T> each;
  for (const std::string& output : outputs) {
    const auto at = std::find(names.begin(), names.end(), output) - names.begin();
    each.push_back(given[static_cast<std::size_t>(at)]);
  }
  return each;
}

/// As in Python: 'accuracy', ['mae', 'mse'].
std::string text_of(const MetricArgument& entry) {
  Names names;
  for (const MetricArgument::One& one : entry.all) {
    names.push_back(one.metric ? one.metric->name() : one.name);
  }
  if (entry.is_list) return python_list(names);
  return fmt::format("'{}'", names.front());
}

/// ['accuracy', ['mae', 'mse'], []], or {'a': ['accuracy']}.
std::string text_of(const std::vector<MetricArgument>& metrics) {
  const bool by_name = !metrics.empty() && metrics.front().output;
  Names entries;
  for (const MetricArgument& entry : metrics) {
    entries.push_back(entry.output ? fmt::format("'{}': {}", *entry.output, text_of(entry))
                                   : text_of(entry));
  }
  return by_name ? fmt::format("{{{}}}", fmt::join(entries, ", "))
                 : fmt::format("[{}]", fmt::join(entries, ", "));
}

[[noreturn]] void refuse(const std::vector<MetricArgument>& metrics, const Names& outputs,
                         const char* argument) {
  throw ValueError(fmt::format(
      "Invalid `{0}`. `{0}` should contain metrics objects and either be a dict or a list "
      "matching the output names of the functional model {1}.\nReceived: {0}={2}",
      argument, python_list(outputs), text_of(metrics)));
}

std::vector<MetricArgument> named_metrics(const std::vector<MetricArgument>& given,
                                          const Names& outputs, const char* argument) {
  Names names;
  for (const MetricArgument& entry : given) {
    if (!entry.output) refuse(given, outputs, argument);
    if (std::find(outputs.begin(), outputs.end(), *entry.output) == outputs.end()) {
      refuse(given, outputs, argument);
    }
    names.push_back(*entry.output);
  }
  if (has_twice(names)) refuse(given, outputs, argument);
  std::vector<MetricArgument> each(outputs.size(), MetricArgument{});
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto entry = std::find_if(given.begin(), given.end(),
                                    [&](const auto& one) { return one.output == outputs[i]; });
    if (entry != given.end()) each[i] = *entry;
  }
  return each;
}

}  // namespace

std::vector<LossPtr> losses_by_output(const LossArgument& given, const Names& outputs,
                                      const std::string& model) {
  if (!given.outputs.empty()) return in_order(given.losses, given.outputs, outputs, "loss");
  if (given.losses.size() == 1) return std::vector<LossPtr>(outputs.size(), given.losses.front());
  if (given.losses.size() == outputs.size()) return given.losses;
  throw ValueError(fmt::format("Model '{}' has {} outputs; `compile` was given {} losses.", model,
                               outputs.size(), given.losses.size()));
}

std::vector<double> weights_by_output(const LossWeights& given, const LossArgument& losses,
                                      const Names& outputs) {
  if (!given.outputs.empty() && !losses.outputs.empty()) {
    return in_order(given.weights, given.outputs, outputs, "loss_weights", Others::kIgnored);
  }
  if (!given.outputs.empty() && outputs.size() > 1) {
    return in_order(given.weights, given.outputs, outputs, "loss_weights");
  }
  if (given.weights.empty()) return std::vector<double>(outputs.size(), 1.0);
  if (given.weights.size() == outputs.size()) return given.weights;
  throw ValueError(
      fmt::format("`loss_weights` must match the number of losses, got {} losses and {} weights.",
                  outputs.size(), given.weights.size()));
}

std::vector<MetricArgument> metrics_by_output(const std::vector<MetricArgument>& given,
                                              const Names& outputs, const char* argument) {
  const bool by_name =
      std::any_of(given.begin(), given.end(), [](const auto& entry) { return entry.output; });
  if (by_name && outputs.size() > 1) return named_metrics(given, outputs, argument);
  if (outputs.size() > 1 && !given.empty() && given.size() != outputs.size()) {
    refuse(given, outputs, argument);
  }
  if (outputs.size() > 1 && !given.empty()) return given;
  std::vector<MetricArgument> each(outputs.size(), MetricArgument{});
  for (const MetricArgument& entry : given) {
    each[0].all.insert(each[0].all.end(), entry.all.begin(), entry.all.end());
  }
  return each;
}

}  // namespace training
}  // namespace lamina

#pragma once
// How the variables of a RunState are called and laid out (run_state.cpp says what they hold).
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "training/fit/run_state.h"

namespace lamina::training {

inline constexpr std::int64_t kStateVersion = 5;
inline constexpr const char* kProgressKey = "progress";
inline constexpr const char* kMetricsKey = "metrics";
inline constexpr const char* kCallbacksKey = "callbacks";
inline constexpr const char* kDataKey = "data";
inline constexpr const char* kOptimizerKey = "optimizer_class";

inline std::string class_key(std::size_t callback) {
  return fmt::format("callback_{}_class", callback);
}

/// Of `progress`.
enum ProgressField : std::size_t {
  kVersion,
  kSeed,
  kEpoch,
  kBatch,
  kSamples,
  kBatchSize,
  kSteps,
  kShuffled,
  kTrained,
  kStopped,
  kProgressSize
};

/// Null when there is none of that key.
inline VariablePtr find_variable(const StateVariables& variables, std::string_view key) {
  for (const weights::WeightVariable& each : variables) {
    if (each.key == key) return each.variable;
  }
  return nullptr;
}

/// Empty when there are none of that key.
template <class T>
std::vector<T> numbers_of(const StateVariables& variables, std::string_view key) {
  const VariablePtr variable = find_variable(variables, key);
  if (!variable) return {};
  const Tensor& value = variable->value();
  const auto data = value.data<T>();
  return {data.begin(), data.end()};
}

template <class T>
Tensor tensor_of(const std::vector<T>& numbers) {
  return Tensor::from(numbers, {static_cast<std::int64_t>(numbers.size())});
}

}  // namespace lamina::training

#pragma once
#include <limits>
#include <stdexcept>
#include <string_view>

#include "tests/training/helpers.h"
#include "training/fit/run_state.h"

namespace lamina::test {

/// Some of them infinite, as a metric's may be.
inline std::vector<double> random_numbers(Random& random, std::int64_t count) {
  std::vector<double> out;
  for (std::int64_t i = 0; i < count; ++i) {
    const bool infinite = random.integer(0, 9) == 0;
    out.push_back(infinite ? std::numeric_limits<double>::infinity() : random.uniform(-1e9, 1e9));
  }
  return out;
}

inline std::string random_name(Random& random, std::int64_t bytes) {
  std::string out;
  for (std::int64_t i = 0; i < bytes; ++i) out += static_cast<char>(random.integer(1, 255));
  return out;
}

/// Another state of a run like that of `run`: its callbacks are the same, and what else is fixed.
inline training::RunState later_state(Random& random, const training::RunState& run) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  training::RunState out = run;
  out.seed = static_cast<std::uint64_t>(random.integer(-kMost, kMost));
  out.epoch = random.integer(0, kMost);
  out.batch = random.integer(0, run.steps_per_epoch);
  out.step = random.integer(0, kMost);
  out.stopped = random.integer(0, 1) == 1;
  out.metrics = random_numbers(random, static_cast<std::int64_t>(run.metrics.size()));
  for (auto& callback : out.callbacks) {
    callback.numbers = random_numbers(random, static_cast<std::int64_t>(callback.numbers.size()));
  }
  return out;
}

/// Of a run on arrays or with a loader, of up to four callbacks.
inline training::RunState random_state(Random& random) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  training::RunState out;
  out.optimizer = random_name(random, random.integer(1, 32));
  out.metrics.resize(static_cast<std::size_t>(random.integer(2, 9)));
  if (random.integer(0, 1) == 1) {
    out.samples = random.integer(1, kMost);
    out.batch_size = random.integer(1, kMost);
  }
  out.steps_per_epoch = random.integer(1, kMost);
  out.shuffles = random.integer(0, 1) == 1;
  if (random.integer(0, 1) == 1) {
    out.data = training::RunState::OfData{random.integer(1, kMost), random.integer(0, kMost)};
  }
  for (std::int64_t i = random.integer(0, 4); i > 0; --i) {
    const auto numbers = static_cast<std::size_t>(random.integer(0, 5));
    out.callbacks.push_back({random_name(random, random.integer(0, 32)), {}});
    out.callbacks.back().numbers.resize(numbers);
  }
  return later_state(random, out);
}

inline training::StateVariables encoded(const training::RunState& state) {
  training::StateVariables out;
  training::encode(state, out);
  return out;
}

inline std::vector<std::string> keys_of(const training::StateVariables& variables) {
  std::vector<std::string> out;
  for (const auto& each : variables) out.push_back(each.key);
  return out;
}

/// Throws std::out_of_range for a key that is not there.
inline const VariablePtr& variable_of(const training::StateVariables& variables,
                                      std::string_view key) {
  for (const auto& each : variables) {
    if (each.key == key) return each.variable;
  }
  throw std::out_of_range(std::string(key));
}

template <class T>
std::vector<T> values_of(const training::StateVariables& variables, std::string_view key) {
  const auto data = variable_of(variables, key)->value().data<T>();
  return {data.begin(), data.end()};
}

/// Puts another row of numbers there.
template <class T>
void replace(training::StateVariables& variables, std::string_view key,
             const std::vector<T>& numbers) {
  for (auto& each : variables) {
    if (each.key != key) continue;
    each.variable = std::make_shared<Variable>(
        each.key, Tensor::from(numbers, {static_cast<std::int64_t>(numbers.size())}), false);
  }
}

}  // namespace lamina::test

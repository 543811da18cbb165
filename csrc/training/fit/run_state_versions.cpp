// The versions of the state before this one. Their variables had fewer numbers, by which a file is
// known for one of them before it is read:
//
// - Version 4 did not say of which class the optimizer was.
// - Version 3 moreover was never told to stop, and did not shuffle a loader's batches.
// - Version 2 moreover had neither classes nor the batches trained in all, which were the
//   optimizer's steps.
// - In these two CSVLogger had no number, before it had one.
#include "training/fit/run_state_versions.h"

#include <algorithm>

#include "training/fit/run_state_format.h"

namespace lamina::training {
namespace {

constexpr std::int64_t kOldestVersion = 2;
constexpr std::size_t kProgressSize2 = kTrained, kProgressSize3 = kStopped;

bool is_csv_logger(const RunState::OfCallback& callback) {
  return callback.class_name == "CsvLogger";
}

/// Whether so many numbers are those of all callbacks but CSVLogger.
bool lacks_loggers(std::size_t numbers, const RunState& now) {
  std::size_t all = 1, loggers = 0;  // the first one is how many callbacks there are
  for (const RunState::OfCallback& callback : now.callbacks) {
    all += callback.numbers.size();
    if (is_csv_logger(callback)) ++loggers;
  }
  return loggers > 0 && numbers == all - loggers;
}

void replace(StateVariables& variables, std::string_view key, Tensor value) {
  for (weights::WeightVariable& each : variables) {
    if (each.key != key) continue;
    each.variable = std::make_shared<Variable>(each.key, std::move(value), false);
    return;
  }
}

/// How many numbers a dataset of the group is a row of; 0 where there is no such row.
std::size_t size_of(const checkpoint::CatalogGroup& group, const char* key) {
  const auto found = group.items.find(key);
  if (found == group.items.end() || found->second.dataset->shape.rank() != 1) return 0;
  return static_cast<std::size_t>(found->second.dataset->shape[0]);
}

Tensor row(std::size_t size, DType dtype) {
  return Tensor::zeros({static_cast<std::int64_t>(size)}, dtype);
}

void bring_progress_up_to_date(StateVariables& variables, std::int64_t optimizer_steps) {
  auto progress = numbers_of<std::int64_t>(variables, kProgressKey);
  if (progress.size() == kProgressSize2) progress.push_back(optimizer_steps);
  if (progress.size() == kProgressSize3) {
    progress.push_back(0);
    if (progress[kSamples] == 0) progress[kShuffled] = 0;  // a loader
  }
  // Of today's numbers too: a run that had gone on from an older file may have saved them so.
  if (progress[kVersion] >= kOldestVersion && progress[kVersion] < kStateVersion) {
    progress[kVersion] = kStateVersion;
  }
  replace(variables, kProgressKey, tensor_of(progress));
}

/// Of the optimizer and the callbacks.
void add_classes(StateVariables& variables, const RunState& now) {
  StateVariables of_now;
  encode(now, of_now);
  for (weights::WeightVariable& each : of_now) {
    if (!find_variable(variables, each.key)) variables.push_back(std::move(each));
  }
}

void bring_numbers_up_to_date(StateVariables& variables, const RunState& now) {
  auto numbers = numbers_of<double>(variables, kCallbacksKey);
  if (!lacks_loggers(numbers.size(), now)) return;
  std::ptrdiff_t at = 1;
  for (const RunState::OfCallback& callback : now.callbacks) {
    if (is_csv_logger(callback)) numbers.insert(numbers.begin() + at, -1);
    at += static_cast<std::ptrdiff_t>(callback.numbers.size());
  }
  replace(variables, kCallbacksKey, tensor_of(numbers));
}

}  // namespace

StateVariables as_stored(StateVariables variables, const checkpoint::CatalogGroup& stored,
                         const RunState& now) {
  if (!stored.items.contains(kOptimizerKey)) {
    std::erase_if(variables, [](const auto& each) { return each.key == kOptimizerKey; });
  }
  const std::size_t progress = size_of(stored, kProgressKey);
  if (progress == kProgressSize2) {
    std::erase_if(variables, [](const auto& each) {
      return each.key.starts_with("callback_") && each.key.ends_with("_class");
    });
  }
  if (progress == kProgressSize2 || progress == kProgressSize3) {
    replace(variables, kProgressKey, row(progress, DType::kInt64));
  }
  const std::size_t numbers = size_of(stored, kCallbacksKey);
  if (lacks_loggers(numbers, now)) {
    replace(variables, kCallbacksKey, row(numbers, DType::kFloat64));
  }
  return variables;
}

void bring_up_to_date(StateVariables& variables, const RunState& now,
                      std::int64_t optimizer_steps) {
  bring_progress_up_to_date(variables, optimizer_steps);
  add_classes(variables, now);
  bring_numbers_up_to_date(variables, now);
}

}  // namespace lamina::training

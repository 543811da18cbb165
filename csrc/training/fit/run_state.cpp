// A RunState lies in these variables, in the same file as the weights, under /lamina/training/vars,
// where Keras does not look:
//
//   progress   int64 [version, seed, epoch, batch, samples, batch size, batches an epoch, shuffled,
//              batches trained in all, told to stop]
//   metrics    float64, what the metrics have gathered in the epoch so far
//   callbacks  float64, how many callbacks there are, and their numbers one after another
//   data       int64 [batches of the data, first epoch], with `steps_per_epoch` alone: where each
//              epoch begins in them
//   optimizer_class   uint8, the name of the optimizer's class, filled up with zeros; of one that
//              LossScaleOptimizer holds, behind "LossScaleOptimizer:"
//   callback_I_class  the same of the I-th callback
//
// Beside them lie the callbacks' own variables, and what layers carry from batch to batch:
//
//   callback_I_K   the K-th variable of the I-th callback
//   layer_state_K  the K-th state of the model's `stateful` layers (layers::states)
//
// The order of the samples, or of a loader's batches, follows from seed and epoch, dropout's draws
// from the seed and the batches trained in all, and a schedule's place from the optimizer's step.
#include "training/fit/run_state.h"

#include <lamina/error.h>

#include <algorithm>

#include "training/fit/run_state_format.h"

namespace lamina::training {
namespace {

constexpr std::size_t kClassBytes = 32;

template <class T>
void put(StateVariables& variables, const std::string& key, const std::vector<T>& numbers) {
  Tensor value = tensor_of(numbers);
  if (const VariablePtr variable = find_variable(variables, key)) {
    variable->assign(std::move(value));
  } else {
    variables.push_back({key, std::make_shared<Variable>(key, std::move(value), false)});
  }
}

std::string kept_of(const std::string& class_name) {
  return class_name.substr(0, kClassBytes);
}

std::vector<std::int64_t> progress_of(const RunState& state) {
  std::vector<std::int64_t> progress(kProgressSize);
  progress[kVersion] = kStateVersion;
  progress[kSeed] = static_cast<std::int64_t>(state.seed);
  progress[kEpoch] = state.epoch;
  progress[kBatch] = state.batch;
  progress[kSamples] = state.samples;
  progress[kBatchSize] = state.batch_size;
  progress[kSteps] = state.steps_per_epoch;
  progress[kShuffled] = state.shuffles ? 1 : 0;
  progress[kTrained] = state.step;
  progress[kStopped] = state.stopped ? 1 : 0;
  return progress;
}

/// Which a run never changes.
void put_class(StateVariables& variables, const std::string& key, const std::string& class_name) {
  if (find_variable(variables, key)) return;
  const std::string name = kept_of(class_name);
  std::vector<std::uint8_t> bytes(name.begin(), name.end());
  bytes.resize(kClassBytes);
  put(variables, key, bytes);
}

std::string class_in(const StateVariables& variables, const std::string& key) {
  const auto bytes = numbers_of<std::uint8_t>(variables, key);
  return {bytes.begin(), std::find(bytes.begin(), bytes.end(), 0)};
}

void require(const std::filesystem::path& file, const char* what, std::int64_t saved,
             std::int64_t now) {
  if (saved == now) return;
  throw ValueError(fmt::format("'{}' cannot be resumed from: its run had {} {}, this one has {}.",
                               file.string(), saved, what, now));
}

}  // namespace

void encode(const RunState& state, StateVariables& variables) {
  put(variables, kProgressKey, progress_of(state));
  put(variables, kMetricsKey, state.metrics);
  std::vector<double> numbers = {static_cast<double>(state.callbacks.size())};
  for (const RunState::OfCallback& callback : state.callbacks) {
    numbers.insert(numbers.end(), callback.numbers.begin(), callback.numbers.end());
  }
  put(variables, kCallbacksKey, numbers);
  if (state.data && !find_variable(variables, kDataKey)) {
    put(variables, kDataKey, std::vector{state.data->batches, state.data->initial_epoch});
  }
  put_class(variables, kOptimizerKey, state.optimizer);
  for (std::size_t i = 0; i < state.callbacks.size(); ++i) {
    put_class(variables, class_key(i), state.callbacks[i].class_name);
  }
}

RunState decode(const StateVariables& variables, const RunState& now,
                const std::filesystem::path& file) {
  const auto progress = numbers_of<std::int64_t>(variables, kProgressKey);
  require(file, "as its version", progress[kVersion], kStateVersion);
  const auto numbers = numbers_of<double>(variables, kCallbacksKey);
  require(file, "callbacks", static_cast<std::int64_t>(numbers[0]),
          static_cast<std::int64_t>(now.callbacks.size()));
  RunState state{.seed = static_cast<std::uint64_t>(progress[kSeed]),
                 .epoch = progress[kEpoch],
                 .batch = progress[kBatch],
                 .samples = progress[kSamples],
                 .batch_size = progress[kBatchSize],
                 .steps_per_epoch = progress[kSteps],
                 .shuffles = progress[kShuffled] != 0,
                 .step = progress[kTrained],
                 .stopped = progress[kStopped] != 0,
                 .optimizer = class_in(variables, kOptimizerKey),
                 .metrics = numbers_of<double>(variables, kMetricsKey)};
  if (const auto data = numbers_of<std::int64_t>(variables, kDataKey); !data.empty()) {
    state.data = RunState::OfData{.batches = data[0], .initial_epoch = data[1]};
  }
  auto at = numbers.begin() + 1;
  for (const RunState::OfCallback& callback : now.callbacks) {
    const auto size = static_cast<std::ptrdiff_t>(callback.numbers.size());
    const std::string key = class_key(state.callbacks.size());
    state.callbacks.push_back({class_in(variables, key), {at, at + size}});
    at += size;
  }
  return state;
}

void require_same_run(const RunState& saved, const RunState& now,
                      const std::filesystem::path& file) {
  require(file, "samples", saved.samples, now.samples);
  require(file, "samples a batch", saved.batch_size, now.batch_size);
  require(file, "batches an epoch", saved.steps_per_epoch, now.steps_per_epoch);
  if (saved.data && now.data) {
    require(file, "batches of data", saved.data->batches, now.data->batches);
    require(file, "as its initial epoch", saved.data->initial_epoch, now.data->initial_epoch);
  }
  require(file, "as its shuffling", saved.shuffles ? 1 : 0, now.shuffles ? 1 : 0);
  if (kept_of(saved.optimizer) != kept_of(now.optimizer)) {
    throw ValueError(fmt::format(
        "'{}' cannot be resumed from: the optimizer of its run was of the class '{}', that of this "
        "one is of '{}'.",
        file.string(), saved.optimizer, now.optimizer));
  }
  for (std::size_t i = 0; i < now.callbacks.size(); ++i) {
    const std::string is = kept_of(now.callbacks[i].class_name);
    const std::string was = kept_of(saved.callbacks[i].class_name);
    if (was == is) continue;
    throw ValueError(
        fmt::format("'{}' cannot be resumed from: callback {} of its run was of the class '{}', "
                    "that of this one is of '{}'. The callbacks have to be the same ones, in the "
                    "same order.",
                    file.string(), i, was, is));
  }
  if (saved.epoch < 0 || saved.batch < 0 || saved.batch > now.steps_per_epoch) {
    throw ValueError(
        fmt::format("'{}' cannot be resumed from: it says to go on with batch {} of epoch {}.",
                    file.string(), saved.batch, saved.epoch));
  }
}

}  // namespace lamina::training

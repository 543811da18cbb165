// What a run needs to go on to the same bits, beside weights and optimizer:
//
//   progress   int64 [version, seed, epoch, batch, samples, batch size, batches an epoch, shuffled,
//              batches trained in all, told to stop]
//   metrics    float64, what the metrics have gathered in the epoch so far
//   callbacks  float64, the callbacks' numbers one after another
//   callback_I_class  uint8, the name of the I-th callback's class, filled up with zeros
//   callback_I_K  the K-th variable of the I-th callback
//   data       int64 [batches of the data, first epoch], with `steps_per_epoch` alone: where each
//              epoch begins in them
//
// They lie in the same file under /lamina/training/vars, where Keras does not look. The order of
// the samples, or of a loader's batches, follows from seed and epoch, dropout's draws from the seed
// and the batches trained in all, and a schedule's place from the optimizer's step.
//
// A state speaks of other files of the run: that the best weights, of a loss of 0.3, have been
// saved. So callbacks that save all decide first, and then save in turns (SaveTurn), each file when
// those before it are in their places; an asynchronous save begins when the model's earlier ones
// are over, and fails as they did. Wherever a run is killed, what a backup speaks of is there, and
// what is there beyond it is saved again, to the same bits.
//
// Version 3 was never told to stop, and did not shuffle a loader's batches. Version 2 had neither
// classes nor the batches trained in all, which were the optimizer's steps; and before it had one,
// CSVLogger had no number.
#include <cxxabi.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <typeinfo>

#include "checkpoint/checkpoint.h"
#include "checkpoint/load/catalog.h"
#include "models/weights/keras_paths.h"
#include "models/weights/saves.h"
#include "training/fit/fit_loop.h"

namespace lamina::training {
namespace {

using weights::WeightVariable;

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
constexpr std::int64_t kStateVersion = 4, kOldestVersion = 2;
/// What versions 2 and 3 had.
constexpr std::size_t kProgressSize2 = kTrained, kProgressSize3 = kStopped;
constexpr std::size_t kClassBytes = 32;
constexpr std::size_t kNumbers = 3;  ///< progress, metrics, callbacks
constexpr const char* kData = "data";

template <class T>
void put(std::vector<WeightVariable>& state, const char* key, const std::vector<T>& numbers) {
  Tensor value = Tensor::from(numbers, {static_cast<std::int64_t>(numbers.size())});
  for (WeightVariable& variable : state) {
    if (variable.key != key) continue;
    variable.variable->assign(std::move(value));
    return;
  }
  state.push_back({key, std::make_shared<Variable>(key, std::move(value), false)});
}

template <class T>
std::vector<T> numbers_of(const Variable& variable) {
  const auto data = variable.value().data<T>();
  return {data.begin(), data.end()};
}

template <class T>
std::vector<T> get(const std::vector<WeightVariable>& state, std::string_view key) {
  for (const WeightVariable& variable : state) {
    if (variable.key == key) return numbers_of<T>(*variable.variable);
  }
  return {};
}

/// The name of a callback's class without namespaces: "EarlyStopping".
std::string class_of(const Callback& callback) {
  constexpr std::string_view kSuffix = "Callback";
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> readable(
      abi::__cxa_demangle(typeid(callback).name(), nullptr, nullptr, &status), &std::free);
  std::string name = readable ? readable.get() : typeid(callback).name();
  if (const std::size_t last = name.rfind("::"); last != std::string::npos) name.erase(0, last + 2);
  if (name.size() > kSuffix.size() && name.ends_with(kSuffix)) {
    name.resize(name.size() - kSuffix.size());
  }
  return name.substr(0, kClassBytes);
}

std::string class_key(std::size_t callback) {
  return fmt::format("callback_{}_class", callback);
}

bool is_csv_logger(const CallbackPtr& callback) {
  return class_of(*callback) == "CsvLogger";
}

/// What an older file has with fewer numbers, to be loaded in its place; null: as it is now.
struct OldState {
  VariablePtr progress, callbacks;
  bool classes = true;  // it has them
};

/// `callbacks`: how many numbers they had before CSVLogger had one; 0: as many as now.
OldState find_old_state(const std::filesystem::path& path, std::size_t callbacks) {
  const checkpoint::Catalog catalog(path, storage::posix());
  const auto group = catalog.find(weights::vars_path(models::kTrainingStatePath));
  const auto find = [&](const char* key, std::size_t size, DType dtype) -> VariablePtr {
    const Shape shape = {static_cast<std::int64_t>(size)};
    const auto found = group.items.find(key);
    if (found == group.items.end() || found->second.dataset->shape != shape) return nullptr;
    return std::make_shared<Variable>(key, Tensor::zeros(shape, dtype), false);
  };
  OldState old;
  old.progress = find("progress", kProgressSize2, DType::kInt64);
  old.classes = !old.progress;
  if (!old.progress) old.progress = find("progress", kProgressSize3, DType::kInt64);
  old.callbacks = find("callbacks", callbacks, DType::kFloat64);
  return old;
}

/// Has a load ask for what the file holds.
void ask_for(const OldState& old, weights::WeightTree& tree) {
  for (const weights::WeightEdge& edge : tree.nodes.front().edges) {
    if (edge.path != models::kTrainingStatePath) continue;
    std::vector<WeightVariable>& state = tree.nodes[edge.target].variables;
    if (!old.classes) {
      std::erase_if(state, [](const WeightVariable& each) { return each.key.ends_with("_class"); });
    }
    for (WeightVariable& each : state) {
      if (each.key == "progress" && old.progress) each.variable = old.progress;
      if (each.key == "callbacks" && old.callbacks) each.variable = old.callbacks;
    }
  }
}

void require(const std::filesystem::path& path, const char* what, std::int64_t saved,
             std::int64_t now) {
  if (saved == now) return;
  throw ValueError(fmt::format("'{}' cannot be resumed from: its run had {} {}, this one has {}.",
                               path.string(), saved, what, now));
}

}  // namespace

void FitLoop::refresh_state() {
  std::vector<std::int64_t> progress(kProgressSize);
  progress[kVersion] = kStateVersion;
  progress[kSeed] = static_cast<std::int64_t>(trainer_.seed());
  progress[kEpoch] = position_.epoch;
  progress[kBatch] = position_.batch;
  progress[kSamples] = feed_->rows();
  progress[kBatchSize] = feed_->batch_size();
  progress[kSteps] = plan_.steps();
  progress[kShuffled] = shuffles() ? 1 : 0;
  progress[kTrained] = step();
  progress[kStopped] = stopped_ ? 1 : 0;
  put(parts_.state, "progress", progress);
  put(parts_.state, "metrics", trainer_.metric_state());
  std::vector<double> numbers = {static_cast<double>(options_.callbacks.size())};
  for (const CallbackPtr& callback : options_.callbacks) {
    const std::vector<double> state = callback->state();
    numbers.insert(numbers.end(), state.begin(), state.end());
  }
  put(parts_.state, "callbacks", numbers);
  if (parts_.state.size() > kNumbers) return;  // the rest stays, or changes by itself
  if (options_.steps_per_epoch) {
    put(parts_.state, kData, std::vector{feed_->batches(), options_.initial_epoch});
  }
  for (std::size_t i = 0; i < options_.callbacks.size(); ++i) {
    const std::string name = class_of(*options_.callbacks[i]);
    std::vector<std::uint8_t> bytes(name.begin(), name.end());
    bytes.resize(kClassBytes);
    put(parts_.state, class_key(i).c_str(), bytes);
    const std::vector<VariablePtr> variables = options_.callbacks[i]->variables(model_);
    for (std::size_t k = 0; k < variables.size(); ++k) {
      parts_.state.push_back({fmt::format("callback_{}_{}", i, k), variables[k]});
    }
  }
}

void FitLoop::save(const std::filesystem::path& path, const SaveOptions& options) {
  refresh_state();
  model_.save_weights(path, options);
}

SaveHandle FitLoop::save_async(const std::filesystem::path& path, const AsyncSaveOptions& options) {
  refresh_state();
  background_saves_.insert(models::key_of_saves(path, options.save.max_shard_size.has_value()));
  return model_.save_weights_async(path, options);
}

// All is loaded, or nothing: a file that does not hold everything throws.
void FitLoop::load_state() {
  models::NamedWeights named = models::name_weights(model_, models::TrainingState::kIncluded);
  for (weights::WeightNode& node : named.tree.nodes) {
    // Where Keras warns of an optimizer that does not fit, a run cannot go on as it was.
    node.kind = weights::WeightNode::Kind::kLayer;
  }
  const auto loggers = static_cast<std::size_t>(
      std::count_if(options_.callbacks.begin(), options_.callbacks.end(), is_csv_logger));
  const std::size_t numbers_now = get<double>(parts_.state, "callbacks").size();
  const OldState old = find_old_state(resume_from_, loggers == 0 ? 0 : numbers_now - loggers);
  ask_for(old, named.tree);
  try {
    checkpoint::load(named.tree, resume_from_, {});
  } catch (const MismatchError& error) {
    throw MismatchError(fmt::format(
        "'{}' cannot be resumed from: it was not saved by a callback of the same training. {}",
        resume_from_.string(), error.what()));
  }
  if (old.progress) {
    std::vector<std::int64_t> progress = numbers_of<std::int64_t>(*old.progress);
    if (!old.classes) progress.push_back(trainer_.optimizer().steps());
    progress.push_back(0);
    if (progress[kSamples] == 0) progress[kShuffled] = 0;  // a loader
    put(parts_.state, "progress", progress);
  }
  if (old.callbacks) {
    std::vector<double> numbers = numbers_of<double>(*old.callbacks);
    std::ptrdiff_t at = 1;
    for (const CallbackPtr& callback : options_.callbacks) {
      if (is_csv_logger(callback)) numbers.insert(numbers.begin() + at, -1);
      at += static_cast<std::ptrdiff_t>(callback->state().size());
    }
    put(parts_.state, "callbacks", numbers);
  }
  read_state();
}

void FitLoop::read_state() {
  const auto progress = get<std::int64_t>(parts_.state, "progress");
  if (progress[kVersion] < kOldestVersion || progress[kVersion] > kStateVersion) {
    require(resume_from_, "as its version", progress[kVersion], kStateVersion);
  }
  require(resume_from_, "samples", progress[kSamples], feed_->rows());
  require(resume_from_, "samples a batch", progress[kBatchSize], feed_->batch_size());
  require(resume_from_, "batches an epoch", progress[kSteps], plan_.steps());
  if (const auto data = get<std::int64_t>(parts_.state, kData); !data.empty()) {
    require(resume_from_, "batches of data", data[0], feed_->batches());
    require(resume_from_, "as its initial epoch", data[1], options_.initial_epoch);
  }
  require(resume_from_, "as its shuffling", progress[kShuffled], shuffles() ? 1 : 0);
  const auto numbers = get<double>(parts_.state, "callbacks");
  require(resume_from_, "callbacks", static_cast<std::int64_t>(numbers[0]),
          static_cast<std::int64_t>(options_.callbacks.size()));
  require_classes();
  trainer_.set_seed(static_cast<std::uint64_t>(progress[kSeed]));
  trainer_.set_step(progress[kTrained]);
  position_ = {progress[kEpoch], progress[kBatch]};
  stopped_ = stopped_ || progress[kStopped] != 0;
  trainer_.set_metric_state(get<double>(parts_.state, "metrics"));
  auto at = numbers.begin() + 1;
  for (const CallbackPtr& callback : options_.callbacks) {
    const auto size = static_cast<std::ptrdiff_t>(callback->state().size());
    callback->set_state({at, at + size});
    at += size;
  }
}

// What version 2 does not say is as it is in this run.
void FitLoop::require_classes() const {
  for (std::size_t i = 0; i < options_.callbacks.size(); ++i) {
    const auto bytes = get<std::uint8_t>(parts_.state, class_key(i));
    const std::string saved(bytes.begin(), std::find(bytes.begin(), bytes.end(), 0));
    const std::string now = class_of(*options_.callbacks[i]);
    if (saved == now) continue;
    throw ValueError(
        fmt::format("'{}' cannot be resumed from: callback {} of its run was of the class '{}', "
                    "that of this one is of '{}'. The callbacks have to be the same ones, in the "
                    "same order.",
                    resume_from_.string(), i, saved, now));
  }
}

}  // namespace lamina::training

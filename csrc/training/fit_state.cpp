// What a run needs to go on to the same bits, beside weights and optimizer:
//
//   progress   int64 [version, seed, epoch, batch, samples, batch size, batches an epoch, shuffled]
//   metrics    float64, what the metrics have gathered in the epoch so far
//   callbacks  float64, the callbacks' numbers one after another
//   callback_I_K  the K-th variable of the I-th callback
//
// They lie in the same file under /lamina/training/vars, where Keras does not look. The order of
// the samples follows from seed and epoch, dropout's draws from the seed and the optimizer's step,
// and a schedule's place from the optimizer's step.
#include <fmt/format.h>

#include "checkpoint/async_save.h"
#include "checkpoint/checkpoint.h"
#include "models/keras_paths.h"
#include "training/fit_loop.h"

namespace lamina::training {
namespace {

using weights::WeightVariable;

enum Progress : std::size_t {
  kVersion,
  kSeed,
  kEpoch,
  kBatch,
  kSamples,
  kBatchSize,
  kSteps,
  kShuffled,
  kProgressSize
};
constexpr std::int64_t kStateVersion = 2;
constexpr std::size_t kNumbers = 3;  ///< progress, metrics, callbacks

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
std::vector<T> get(const std::vector<WeightVariable>& state, std::string_view key) {
  for (const WeightVariable& variable : state) {
    if (variable.key != key) continue;
    const auto data = variable.variable->value().data<T>();
    return {data.begin(), data.end()};
  }
  return {};
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
  progress[kSteps] = steps_;
  progress[kShuffled] = options_.shuffle ? 1 : 0;
  put(parts_.state, "progress", progress);
  put(parts_.state, "metrics", trainer_.metric_state());
  std::vector<double> numbers = {static_cast<double>(options_.callbacks.size())};
  for (const CallbackPtr& callback : options_.callbacks) {
    const std::vector<double> state = callback->state();
    numbers.insert(numbers.end(), state.begin(), state.end());
  }
  put(parts_.state, "callbacks", numbers);
  if (parts_.state.size() > kNumbers) return;  // the rest are variables, which change by themselves
  for (std::size_t i = 0; i < options_.callbacks.size(); ++i) {
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
  background_saves_.insert(checkpoint::save_key(path, options.save.max_shard_size.has_value()));
  return model_.save_weights_async(path, options);
}

// All is loaded, or nothing: a file that does not hold everything throws.
void FitLoop::load_state() {
  models::NamedWeights named = models::name_weights(model_, models::TrainingState::kIncluded);
  for (weights::WeightNode& node : named.tree.nodes) {
    // Where Keras warns of an optimizer that does not fit, a run cannot go on as it was.
    node.kind = weights::WeightNode::Kind::kLayer;
  }
  try {
    checkpoint::load(named.tree, resume_from_, {});
  } catch (const MismatchError& error) {
    throw MismatchError(fmt::format(
        "'{}' cannot be resumed from: it was not saved by a callback of the same training. {}",
        resume_from_.string(), error.what()));
  }
  read_state();
}

void FitLoop::read_state() {
  const auto progress = get<std::int64_t>(parts_.state, "progress");
  require(resume_from_, "as its version", progress[kVersion], kStateVersion);
  require(resume_from_, "samples", progress[kSamples], feed_->rows());
  require(resume_from_, "samples a batch", progress[kBatchSize], feed_->batch_size());
  require(resume_from_, "batches an epoch", progress[kSteps], steps_);
  require(resume_from_, "as its shuffling", progress[kShuffled], options_.shuffle ? 1 : 0);
  trainer_.set_seed(static_cast<std::uint64_t>(progress[kSeed]));
  position_ = {progress[kEpoch], progress[kBatch]};
  trainer_.set_metric_state(get<double>(parts_.state, "metrics"));
  const auto numbers = get<double>(parts_.state, "callbacks");
  require(resume_from_, "callbacks", static_cast<std::int64_t>(numbers[0]),
          static_cast<std::int64_t>(options_.callbacks.size()));
  auto at = numbers.begin() + 1;
  for (const CallbackPtr& callback : options_.callbacks) {
    const auto size = static_cast<std::ptrdiff_t>(callback->state().size());
    callback->set_state({at, at + size});
    at += size;
  }
}

}  // namespace lamina::training

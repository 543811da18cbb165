// What a run saves of itself beside the model, and how it goes on from that.
//
// A state speaks of other files of the run: that the best weights, of a loss of 0.3, have been
// saved. So callbacks that save all decide first, and then save in turns (SaveTurn), each file when
// those before it are in their places; an asynchronous save begins when the model's earlier ones
// are over, and fails as they did. Wherever a run is killed, what a backup speaks of is there, and
// what is there beyond it is saved again, to the same bits.
#include <fmt/format.h>
#include <lamina/layers/recurrent.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/load/catalog.h"
#include "models/weights/keras_paths.h"
#include "models/weights/saves.h"
#include "training/fit/fit_loop.h"
#include "training/fit/run_state_versions.h"

namespace lamina::training {
namespace {

std::string class_of(const Optimizer& optimizer) {
  const OptimizerPtr inner = optimizer.inner_optimizer();
  return inner ? optimizer.class_name() + ":" + inner->class_name() : optimizer.class_name();
}

checkpoint::ReadValues read_all(const weights::WeightTree& tree, const checkpoint::Catalog& file) {
  try {
    return checkpoint::read(tree, file, {});
  } catch (const MismatchError& error) {
    throw MismatchError(fmt::format(
        "'{}' cannot be resumed from: it was not saved by a callback of the same training. {}",
        file.path().string(), error.what()));
  }
}

/// Others of the same keys, with what was read for them.
StateVariables with_values(const StateVariables& variables, const checkpoint::ReadValues& values) {
  StateVariables out;
  for (const weights::WeightVariable& each : variables) {
    if (const Tensor* const value = values.find(*each.variable)) {
      out.push_back({each.key, std::make_shared<Variable>(each.key, *value, false)});
    }
  }
  return out;
}

}  // namespace

RunState FitLoop::state() const {
  RunState state{.seed = trainer_.seed(),
                 .epoch = position_.epoch,
                 .batch = position_.batch,
                 .samples = feed_->rows(),
                 .batch_size = feed_->batch_size(),
                 .steps_per_epoch = plan_.steps(),
                 .shuffles = shuffles(),
                 .step = step(),
                 .stopped = stopped_,
                 .optimizer = class_of(trainer_.optimizer()),
                 .metrics = epoch_metrics_ ? *epoch_metrics_ : trainer_.metric_state()};
  if (options_.steps_per_epoch) {
    state.data =
        RunState::OfData{.batches = feed_->batches(), .initial_epoch = options_.initial_epoch};
  }
  for (std::size_t i = 0; i < options_.callbacks.size(); ++i) {
    state.callbacks.push_back({class_names_[i], options_.callbacks[i]->state()});
  }
  return state;
}

void FitLoop::take(const RunState& state) {
  trainer_.set_seed(state.seed);
  trainer_.set_step(state.step);
  position_ = {state.epoch, state.batch};
  stopped_ = stopped_ || state.stopped;
  trainer_.set_metric_state(state.metrics);
  for (std::size_t i = 0; i < options_.callbacks.size(); ++i) {
    options_.callbacks[i]->set_state(state.callbacks[i].numbers);
  }
}

void FitLoop::refresh_state() {
  const bool is_new = parts_.state.empty();
  encode(state(), parts_.state);
  if (!is_new) return;  // the variables of callbacks and layers change by themselves
  for (std::size_t i = 0; i < options_.callbacks.size(); ++i) {
    const std::vector<VariablePtr> variables = options_.callbacks[i]->variables(model_);
    for (std::size_t k = 0; k < variables.size(); ++k) {
      parts_.state.push_back({fmt::format("callback_{}_{}", i, k), variables[k]});
    }
  }
  const std::vector<VariablePtr> states = layers::states(model_);
  for (std::size_t i = 0; i < states.size(); ++i) {
    parts_.state.push_back({fmt::format("layer_state_{}", i), states[i]});
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

// All is loaded, or nothing: a file that does not hold everything throws, and so does one of
// another run, before anything of the model has changed.
void FitLoop::load_state() {
  models::NamedWeights named = models::name_weights(model_, models::TrainingState::kIncluded);
  for (weights::WeightNode& node : named.tree.nodes) {
    // Where Keras warns of an optimizer that does not fit, a run cannot go on as it was.
    node.kind = weights::WeightNode::Kind::kLayer;
  }
  const RunState now = state();
  const checkpoint::Catalog file(resume_from_, storage::posix(), true);
  StateVariables& variables = named.tree.nodes.back().variables;
  variables = as_stored(std::move(variables),
                        file.find(weights::vars_path(models::kTrainingStatePath)), now);
  checkpoint::ReadValues values = read_all(named.tree, file);
  const StateVariables read = with_values(variables, values);  // before they are given away
  const auto saved = [&](std::int64_t optimizer_steps) {
    StateVariables stored = read;
    bring_up_to_date(stored, now, optimizer_steps);
    return decode(stored, now, resume_from_);
  };
  require_same_run(saved(0), now, resume_from_);  // nothing of which goes by the steps
  std::move(values).assign();
  take(saved(trainer_.optimizer().steps()));
  refresh_state();
}

}  // namespace lamina::training

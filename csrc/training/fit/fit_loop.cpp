#include "training/fit/fit_loop.h"

#include <fmt/format.h>
#include <lamina/log.h>

#include <algorithm>

#include "core/tell.h"
#include "layers/values/random.h"
#include "models/run/batching.h"
#include "models/weights/saves.h"

namespace lamina::training {
namespace {

std::uint64_t drawn_seed() {
  const layers::RandomStream stream = layers::next_random_stream();
  return stream.key * 0x9E3779B97F4A7C15u + stream.stream;
}

}  // namespace

void check(const FitOptions& options) {
  models::require_positive("batch_size", options.batch_size);
  models::require_positive("epochs", options.epochs);
  models::require_positive("steps_per_epoch", options.steps_per_epoch);
  models::require_positive("validation_freq", options.validation_freq.every);
  models::require_positive("validation_batch_size", options.validation_batch_size);
  models::require_positive("validation_steps", options.validation_steps);
  if (options.initial_epoch < 0) {
    throw ValueError(
        fmt::format("`initial_epoch` must not be negative; received {}.", options.initial_epoch));
  }
  if (options.validation_split < 0 || options.validation_split >= 1) {
    throw ValueError(fmt::format("`validation_split` must be in [0, 1); received {}.",
                                 options.validation_split));
  }
  for (const CallbackPtr& callback : options.callbacks) {
    if (!callback) throw ValueError("A callback is null.");
  }
}

FitLoop::FitLoop(Model& model, models::TrainingParts& parts, std::unique_ptr<Feed> feed,
                 std::unique_ptr<Feed> validation, const FitOptions& options)
    : model_(model),
      parts_(parts),
      trainer_(*parts.trainer),
      options_(options),
      feed_(std::move(feed)),
      validation_(std::move(validation)),
      plan_(feed_->batches(), options.steps_per_epoch, "steps_per_epoch", options.initial_epoch),
      resume_from_(options.resume_from) {
  if (validation_) {
    validation_pass_.emplace(*validation_, options.validation_steps, "validation_steps",
                             "validation");
  }
  for (const CallbackPtr& callback : options_.callbacks) {
    class_names_.push_back(callback->class_name());
    (callback->saves() ? savers_ : others_).push_back(callback);
  }
  std::stable_sort(savers_.begin(), savers_.end(), [](const CallbackPtr& a, const CallbackPtr& b) {
    return a->save_turn() < b->save_turn();
  });
}

FitLoop::~FitLoop() {
  parts_.state.clear();
}

template <class F>
void FitLoop::call_savers(const F& f) {
  for (const CallbackPtr& callback : savers_) {
    if (!abandoned_) f(*callback);
  }
}

template <class F>
void FitLoop::call_others(const F& f) {
  for (const CallbackPtr& callback : others_) f(*callback);
}

template <class F>
void FitLoop::call_all(const F& f) {
  call_others(f);
  call_savers(f);
}

// The state is laid out before anything is saved or restored; callbacks that save may name a
// checkpoint to go on from, and it is loaded once all callbacks have begun.
void FitLoop::start() {
  trainer_.set_seed(options_.seed ? *options_.seed : drawn_seed());
  trainer_.require_same_trainable();
  trainer_.prepare(feed_->sample(trainer_.seed()));
  if (validation_) trainer_.prepare(validation_->sample(0));
  trainer_.reset_metrics();
  position_ = {options_.initial_epoch, 0};
  refresh_state();
  const auto begin = [&](Callback& callback) { callback.on_train_begin(*this); };
  call_savers(begin);
  call_others(begin);
  if (!resume_from_.empty()) load_state();
  if (!savers_.empty()) model_.prepare_saving();  // with the state, unlike the trainer
}

History FitLoop::run() {
  start();
  train();
  call_all([&](Callback& callback) { callback.on_train_end(*this, last_logs_); });
  if (abandoned_) wait_for_saves();  // nobody else does
  return std::move(history_);
}

// Whatever ends training, the averages of `use_ema` take the weights' place, as in Keras.
void FitLoop::train() {
  try {
    while (goes_on()) run_epoch();
  } catch (...) {
    try {
      trainer_.optimizer().finalize_variable_values();
    } catch (const std::exception& error) {  // what ended training is thrown
      warn(std::string("The averages did not take the place of the weights: ") + error.what());
    }
    throw;
  }
  trainer_.optimizer().finalize_variable_values();
}

// What was stopped within an epoch, and goes on from there, still ends that epoch.
bool FitLoop::goes_on() const {
  return position_.epoch < options_.epochs && (!stopped_ || position_.batch > 0);
}

bool FitLoop::shuffles() const {
  return options_.shuffle && feed_->batches() != DataLoader::kEndless;
}

bool FitLoop::validates_after(std::int64_t epoch) const {
  const ValidationFreq& freq = options_.validation_freq;
  if (freq.every) return (epoch + 1) % *freq.every == 0;
  return std::find(freq.of.begin(), freq.of.end(), epoch + 1) != freq.of.end();
}

void FitLoop::wait_for_saves() const {
  for (const std::string& key : background_saves_) models::wait_for_saves(key);
}

void FitLoop::run_batches(std::int64_t end, ProgressBar& bar) {
  while (position_.batch < end && !stopped_) {
    const std::int64_t batch = position_.batch;
    call_all([&](Callback& callback) { callback.on_train_batch_begin(*this, batch); });
    trainer_.train(feed_->next(), [this] { return feed_->ahead(); });
    ++position_.batch;
    last_logs_ = trainer_.logs();
    refresh_state();
    call_all([&](Callback& c) { c.on_train_batch_end(*this, batch, last_logs_); });
    call_savers([&](Callback& callback) { callback.on_save(*this); });
    bar.update(position_.batch, last_logs_);
  }
}

void FitLoop::run_epoch() {
  const std::int64_t epoch = position_.epoch;
  if (position_.batch == 0) trainer_.reset_metrics();
  call_all([&](Callback& callback) { callback.on_epoch_begin(*this, epoch); });
  const Verbose verbose = ProgressBar::resolved(options_.verbose);
  if (verbose != Verbose::kSilent && options_.epochs > 1) {
    core::tell(stderr, "Epoch {}/{}\n", epoch + 1, options_.epochs);
  }
  const Stretch stretch = plan_.of(epoch);
  feed_->begin(trainer_.seed(), stretch.pass, stretch.first + position_.batch, stretch.end());
  ProgressBar bar(plan_.steps(), verbose);
  run_batches(stretch.count, bar);
  feed_->end();
  const std::int64_t done = position_.batch;
  if (done == stretch.count && done < plan_.steps() && !stopped_) {
    models::warn_out_of_data("training", done, plan_.steps());
  }
  Logs logs = trainer_.logs();
  if (validation_ && validates_after(epoch)) validate(logs);
  bar.add(logs);
  position_ = {epoch + 1, 0};
  const auto end = [&](Callback& callback) { callback.on_epoch_end(*this, epoch, logs); };
  call_others(end);
  refresh_state();
  call_savers(end);
  call_savers([&](Callback& callback) { callback.on_save(*this); });
  bar.finish(done, logs);  // with what callbacks have added
  history_.epoch.push_back(epoch);
  for (const auto& [name, value] : logs) history_.history[name].push_back(value);
  last_logs_ = std::move(logs);
}

void FitLoop::validate(Logs& logs) {
  epoch_metrics_ = trainer_.metric_state();
  call_all([&](Callback& callback) { callback.on_test_begin(*this); });
  const Logs measured = evaluate(trainer_, *validation_pass_, nullptr);
  call_all([&](Callback& callback) { callback.on_test_end(*this, measured); });
  epoch_metrics_.reset();
  for (const auto& [name, value] : measured) logs["val_" + name] = value;
}

}  // namespace lamina::training

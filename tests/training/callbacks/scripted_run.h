#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/training/fit_helpers.h"

namespace lamina::test {

/// Gives each epoch a "score" of its own, before the callbacks behind it.
class Scores : public Callback {
 public:
  explicit Scores(std::vector<double> scores) : scores_(std::move(scores)) {}
  void on_epoch_end(FitRun&, std::int64_t epoch, Logs& logs) override {
    logs["score"] = scores_.at(static_cast<std::size_t>(epoch));
  }

 private:
  std::vector<double> scores_;
};

/// Trains a small model for as many epochs as there are scores.
struct Trained {
  explicit Trained(std::vector<double> scores, std::vector<CallbackPtr> callbacks,
                   std::optional<std::int64_t> rows = {}) {
    Random random;
    const Spokes data(random, rows.value_or(20));
    model = classifier();
    model->compile({.optimizer = optimizers::SGD({.learning_rate = 0.5}),
                    .loss = "sparse_categorical_crossentropy"});
    const auto epochs = static_cast<std::int64_t>(scores.size());
    callbacks.insert(callbacks.begin(), std::make_shared<Scores>(std::move(scores)));
    history = model->fit(
        data.x, data.y,
        {.batch_size = 10, .epochs = epochs, .verbose = Verbose::kSilent, .callbacks = callbacks});
  }
  ModelPtr model;
  History history;
};

/// A metric that gives a value of its own each epoch.
class Scripted : public Metric {
 public:
  Scripted(std::string name, std::optional<Direction> direction, std::vector<double> values)
      : Metric(std::move(name)), direction_(direction), values_(std::move(values)) {}
  void update_state(const Tensor&, const Tensor&, const Tensor&) override {}
  double result() const override { return values_.at(epoch_); }
  void reset_state() override {
    epoch_ = resets_++ == 0 ? 0 : resets_ - 2;
  }  // `fit` begins with one
  std::optional<Direction> direction() const override { return direction_; }
  std::vector<double> state() const override { return {}; }
  void set_state(const std::vector<double>&) override {}

 private:
  std::optional<Direction> direction_;
  std::vector<double> values_;
  std::size_t epoch_ = 0, resets_ = 0;
};

}  // namespace lamina::test

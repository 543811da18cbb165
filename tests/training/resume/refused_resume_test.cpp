// A file from which a run cannot go on leaves the model as it was.
#include <gmock/gmock.h>

#include <functional>

#include "checkpoint/checkpoint.h"
#include "models/weights/keras_paths.h"
#include "tests/training/fit/loaders.h"
#include "tests/training/resume/resume_scene.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::HasSubstr;

/// Saves a state that `change` makes of that of the run, with the weights of the run.
class SavesChanged : public Callback {
 public:
  using Change = std::function<void(std::vector<std::int64_t>& progress)>;
  SavesChanged(std::filesystem::path file, Change change)
      : file_(std::move(file)), change_(std::move(change)) {}
  bool saves() const override { return true; }
  void on_train_end(FitRun& run, const Logs&) override {
    run.refresh_state();
    auto named = models::name_weights(run.model(), models::TrainingState::kIncluded);
    for (auto& each : named.tree.nodes.back().variables) {
      if (each.key != "progress") continue;
      const auto all = each.variable->value().data<std::int64_t>();
      std::vector<std::int64_t> progress(all.begin(), all.end());
      change_(progress);
      const auto size = static_cast<std::int64_t>(progress.size());
      each.variable = std::make_shared<Variable>("progress", Tensor::from(progress, {size}), false);
    }
    checkpoint::save(named.tree, file_, {});
  }

 private:
  std::filesystem::path file_;
  Change change_;
};

/// A callback of no numbers and no variables.
class Other : public Callback {};

class RefusedResume : public ::testing::Test {
 protected:
  /// Of momentum, of which an RMSprop or an Adagrad has as many slots.
  static ModelPtr trained(const OptimizerPtr& optimizer, const Spokes& data) {
    ModelPtr model = classifier(3);
    model->compile({.optimizer = optimizer,
                    .loss = "sparse_categorical_crossentropy",
                    .metrics = {"accuracy"}});
    FitOptions with = options({});
    with.epochs = 1;
    (void)model->fit(data.x, data.y, with);
    return model;
  }
  static OptimizerPtr sgd() { return optimizers::SGD({.learning_rate = 0.05, .momentum = 0.9}); }
  [[nodiscard]] FitOptions usual() const {
    return options({std::make_shared<Other>(),
                    callbacks::EarlyStopping({.patience = 3, .restore_best_weights = true}),
                    std::make_shared<SavesChanged>(file_, change_)});
  }
  /// Has a run save, and another, of a model that was trained, refuse that file: the model is as it
  /// was, and trains as one that has never met the file.
  void expect_refused(const char* why, const OptimizerPtr& optimizer, const FitOptions& from) {
    (void)trained(sgd(), data_)->fit(data_.x, data_.y, usual());
    const ModelPtr model = trained(optimizer, data_);
    const auto weights = values_of(model->variables());
    const auto slots = values_of(model->optimizer()->variables());
    FitOptions resuming = from;
    resuming.resume_from = file_;
    EXPECT_THAT(message_of([&] { (void)model->fit(data_.x, data_.y, resuming); }), HasSubstr(why));
    expect_values(model->variables(), weights, why);
    expect_values(model->optimizer()->variables(), slots, why);
  }
  static void expect_values(const std::vector<VariablePtr>& variables,
                            const std::vector<Tensor>& values, const char* why) {
    ASSERT_EQ(variables.size(), values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_TRUE(bitwise_equal(variables[i]->value(), values[i]))
          << variables[i]->path() << ": " << why;
    }
  }

  Random random_;
  Spokes data_{random_, 60};
  Scratch scratch_;
  std::filesystem::path file_ = scratch_ / "run.weights.h5";
  SavesChanged::Change change_ = [](std::vector<std::int64_t>&) {};
};

TEST_F(RefusedResume, OfOtherOptionsLeavesTheModelAsItWas) {
  const auto with = [&](auto set) {
    FitOptions changed = usual();
    set(changed);
    return changed;
  };
  expect_refused("48 samples, this one has 30", sgd(),
                 with([](FitOptions& o) { o.validation_split = 0.5; }));
  expect_refused("9 samples a batch, this one has 8", sgd(),
                 with([](FitOptions& o) { o.batch_size = 8; }));
  expect_refused("1 as its shuffling, this one has 0", sgd(),
                 with([](FitOptions& o) { o.shuffle = false; }));
}

TEST_F(RefusedResume, OfOtherCallbacksLeavesTheModelAsItWas) {
  FitOptions other = usual();
  std::swap(other.callbacks[0], other.callbacks[2]);
  expect_refused("callback 0 of its run was of the class 'Other'", sgd(), other);
  other = usual();
  other.callbacks.push_back(std::make_shared<Other>());
  expect_refused("was not saved by a callback of the same training", sgd(), other);
}

TEST_F(RefusedResume, OfAnotherOptimizerLeavesTheModelAsItWas) {
  expect_refused("was of the class 'SGD', that of this one is of 'RMSprop'",
                 optimizers::RMSprop({.learning_rate = 0.01}), usual());
  expect_refused("was not saved by a callback of the same training", optimizers::Adam(), usual());
}

TEST_F(RefusedResume, OfAnUnknownStateLeavesTheModelAsItWas) {
  change_ = [](auto& progress) { progress[0] = 77; };
  expect_refused("its run had 77 as its version", sgd(), usual());
  change_ = [](auto& progress) { progress[3] = -2; };
  expect_refused("it says to go on with batch -2 of epoch", sgd(), usual());
}

}  // namespace
}  // namespace lamina

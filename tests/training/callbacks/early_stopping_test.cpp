#include <gmock/gmock.h>
#include <lamina/log.h>

#include "tests/training/callbacks/scripted_run.h"
#include "tests/training/fit_helpers.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(EarlyStopping, WaitsForAsLongAsItIsPatient) {
  const auto epochs = [](callbacks::EarlyStoppingOptions options, std::vector<double> scores) {
    options.monitor = "score";
    if (options.mode == callbacks::Mode::kAuto) options.mode = callbacks::Mode::kMin;
    return Trained(std::move(scores), {callbacks::EarlyStopping(options)}).history.epoch.size();
  };
  EXPECT_EQ(epochs({.patience = 2}, {5, 4, 4, 4, 3, 2}), 4U);
  EXPECT_EQ(epochs({.patience = 3}, {5, 4, 4, 4, 3, 2}), 6U);
  EXPECT_EQ(epochs({.patience = 1, .mode = callbacks::Mode::kMax}, {1, 2, 3, 3, 4}), 4U);
  EXPECT_EQ(epochs({.min_delta = 0.5, .patience = 1}, {5, 4.8, 3}), 2U);
  EXPECT_EQ(epochs({.patience = 1, .start_from_epoch = 3}, {1, 2, 3, 4, 5, 6}), 5U);
  EXPECT_EQ(epochs({.patience = 1, .baseline = 1}, {5, 4, 4, 0}), 3U);
}

TEST(EarlyStopping, TakesNoDifferenceForOneThatFloat32DoesNotHave) {
  const auto epochs = [](callbacks::Mode mode, double step) {
    const callbacks::EarlyStoppingOptions options{.monitor = "score", .patience = 1, .mode = mode};
    return Trained({1, 1 + step, 1 + 2 * step}, {callbacks::EarlyStopping(options)})
        .history.epoch.size();
  };
  EXPECT_EQ(epochs(callbacks::Mode::kMin, -1e-8), 2U);
  EXPECT_EQ(epochs(callbacks::Mode::kMax, 1e-8), 2U);
  EXPECT_EQ(epochs(callbacks::Mode::kMin, -1e-6), 3U);
  EXPECT_EQ(epochs(callbacks::Mode::kMax, 1e-6), 3U);
}

TEST(EarlyStopping, BringsTheBestWeightsBack) {
  std::vector<Tensor> best;
  class Keep : public Callback {
   public:
    explicit Keep(std::vector<Tensor>& into) : into_(into) {}
    void on_epoch_end(FitRun& run, std::int64_t epoch, Logs&) override {
      if (epoch == 1) into_ = values_of(run.model().variables());
    }

   private:
    std::vector<Tensor>& into_;
  };
  const Trained run({3, 1, 2, 2}, {std::make_shared<Keep>(best),
                                   callbacks::EarlyStopping({.monitor = "score",
                                                             .patience = 5,
                                                             .mode = callbacks::Mode::kMin,
                                                             .restore_best_weights = true})});
  const auto variables = run.model->variables();
  ASSERT_EQ(best.size(), variables.size());
  for (std::size_t i = 0; i < best.size(); ++i) {
    EXPECT_TRUE(bitwise_equal(best[i], variables[i]->value())) << variables[i]->path();
  }
}

TEST(EarlyStopping, BringsTheBestWeightsOfEachModelBack) {
  Random random;
  const Spokes data(random, 30);
  const auto stopping =
      callbacks::EarlyStopping({.monitor = "loss", .patience = 1, .restore_best_weights = true});
  // Each model may lie where the one before it lay.
  for (const std::int64_t hidden : {1, 3, 2, 4, 1, 2}) {
    const auto x = layers::Input({.shape = {4}});
    SymbolicTensor y = x;
    for (std::int64_t i = 0; i < hidden; ++i) y = layers::Dense({.units = 4 + hidden})(y);
    const ModelPtr model = Functional::create(x, layers::Dense({.units = 3})(y));
    model->compile(
        {.optimizer = "sgd", .loss = losses::SparseCategoricalCrossentropy({.from_logits = true})});
    (void)model->fit(data.x, data.y,
                     {.epochs = 2, .verbose = Verbose::kSilent, .callbacks = {stopping}});
    const auto weights = model->variables(), best = stopping->variables(*model);
    ASSERT_EQ(best.size(), weights.size());
    for (std::size_t i = 0; i < best.size(); ++i) {
      EXPECT_TRUE(bitwise_equal(best[i]->value(), weights[i]->value())) << i;
    }
  }
}

TEST(EarlyStopping, WarnsOfAMetricThatIsNotThere) {
  std::string warning;
  const WarningHandler before =
      set_warning_handler([&](std::string_view text) { warning = std::string(text); });
  const Trained run({1, 2}, {callbacks::EarlyStopping({.monitor = "val_loss"})});
  set_warning_handler(before);
  EXPECT_THAT(warning, HasSubstr("`val_loss` which is not available"));
  EXPECT_THAT(warning, HasSubstr("loss,score"));
  EXPECT_EQ(run.history.epoch.size(), 2U);
}

History stopped_early(const MetricPtr& metric, callbacks::EarlyStoppingOptions options) {
  Random random;
  const Spokes data(random, 20);
  const ModelPtr model = classifier();
  model->compile(
      {.optimizer = "sgd", .loss = "sparse_categorical_crossentropy", .metrics = {metric}});
  options.monitor = metric->name();
  options.patience = 1;
  return model->fit(
      data.x, data.y,
      {.epochs = 4, .verbose = Verbose::kSilent, .callbacks = {callbacks::EarlyStopping(options)}});
}

TEST(EarlyStopping, GoesByWhatTheMetricSaysIsBetter) {
  const auto epochs = [](const char* name, Direction direction, std::vector<double> values) {
    const auto metric = std::make_shared<Scripted>(name, direction, std::move(values));
    return stopped_early(metric, {}).epoch.size();
  };
  EXPECT_EQ(epochs("my_acc", Direction::kDown, {3, 2, 1, 0}), 4U);
  EXPECT_EQ(epochs("my_acc", Direction::kDown, {0, 1, 2, 3}), 2U);
  EXPECT_EQ(epochs("hits", Direction::kUp, {0, 1, 2, 3}), 4U);
  EXPECT_EQ(epochs("hits", Direction::kUp, {3, 2, 1, 0}), 2U);
}

TEST(EarlyStopping, AsksForTheModeOfAMetricThatDoesNotSay) {
  const auto metric = [] {
    return std::make_shared<Scripted>("my_acc", std::nullopt, std::vector<double>{0, 1, 2, 3});
  };
  EXPECT_THAT(message_of([&] { (void)stopped_early(metric(), {}); }),
              AllOf(HasSubstr("EarlyStopping callback received monitor=my_acc"),
                    HasSubstr("isn't able to automatically determine"), HasSubstr("`mode='max'`")));
  EXPECT_EQ(stopped_early(metric(), {.mode = callbacks::Mode::kMax}).epoch.size(), 4U);
  EXPECT_THAT(
      message_of([] { (void)Trained({1}, {callbacks::ReduceLROnPlateau({.monitor = "score"})}); }),
      HasSubstr("ReduceLROnPlateau callback received monitor=score"));
}

TEST(FitRun, KnowsWhichValuesOfALogAreBetter) {
  class Ask : public Callback {
   public:
    void on_train_begin(FitRun& run) override {
      for (const char* log : {"loss", "val_loss", "number_loss", "val_kind_loss", "number_mae"}) {
        EXPECT_EQ(run.direction(log), Direction::kDown) << log;
      }
      for (const char* log : {"kind_acc", "val_kind_acc"}) {
        EXPECT_EQ(run.direction(log), Direction::kUp) << log;
      }
      for (const char* log : {"accuracy", "kind_mae", "number_acc"}) {
        EXPECT_EQ(run.direction(log), std::nullopt) << log;
      }
      asked = true;
    }
    bool asked = false;
  };
  Random random;
  const auto x = layers::Input({.shape = {3}});
  const auto model = Functional::create({x}, {layers::Dense({.units = 2, .name = "number"})(x),
                                              layers::Dense({.units = 2, .name = "kind"})(x)});
  model->compile({.optimizer = "sgd", .loss = "mse", .metrics = {"mae", "acc"}});
  const auto ask = std::make_shared<Ask>();
  (void)model->fit({random.tensor({5, 3})}, {random.tensor({5, 2}), random.tensor({5, 2})},
                   {.verbose = Verbose::kSilent, .callbacks = {ask}});
  EXPECT_TRUE(ask->asked);
}

}  // namespace
}  // namespace lamina

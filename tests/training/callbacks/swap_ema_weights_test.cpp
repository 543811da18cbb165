#include <gmock/gmock.h>

#include <algorithm>

#include "tests/training/callbacks/scripted_run.h"
#include "tests/training/fit_helpers.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::HasSubstr;

/// Trains for 3 epochs with averages.
struct Averaged {
  explicit Averaged(const Spokes& data, std::vector<CallbackPtr> callbacks, std::int64_t epochs = 3)
      : model(classifier()) {
    model->compile(
        {.optimizer = optimizers::SGD({.learning_rate = 0.2, .use_ema = true, .ema_momentum = 0.9}),
         .loss = "sparse_categorical_crossentropy"});
    history = model->fit(data.x, data.y,
                         {.batch_size = 10,
                          .epochs = epochs,
                          .verbose = Verbose::kSilent,
                          .callbacks = std::move(callbacks),
                          .validation_data = DataSet(data.x, data.y),
                          .seed = 5});
  }
  ModelPtr model;
  History history;
};

TEST(SwapEMAWeights, ValidatesWithTheAveragesAndTrainsTheSameWeights) {
  Random random;
  const Spokes data(random, 20);
  std::vector<std::vector<Tensor>> seen;
  const auto keep = callbacks::LambdaCallback(
      {.on_test_begin = [&](FitRun& run) { seen.push_back(values_of(run.model().variables())); },
       .on_test_end = [&](FitRun& run,
                          const Logs&) { seen.push_back(values_of(run.model().variables())); }});
  const Averaged plain(data, {}), swapped(data, {callbacks::SwapEMAWeights(), keep});
  expect_same_bits(*plain.model, *swapped.model);
  EXPECT_EQ(plain.history.history.at("loss"), swapped.history.history.at("loss"));
  EXPECT_NE(plain.history.history.at("val_loss"), swapped.history.history.at("val_loss"));
  ASSERT_EQ(seen.size(), 6U);
  EXPECT_FALSE(bitwise_equal(seen[0][0], seen[1][0])) << "averages, and then weights";
  const auto last = swapped.model->variables();
  for (const VariablePtr& variable : swapped.model->trainable_variables()) {
    const auto at = std::find(last.begin(), last.end(), variable) - last.begin();
    EXPECT_TRUE(bitwise_equal(seen[4][static_cast<std::size_t>(at)], variable->value()))
        << variable->path() << ": what was validated last";
  }
}

TEST(SwapEMAWeights, LeavesARunThatGoesOnItsBits) {
  Random random;
  const Spokes data(random, 20);
  const Scratch scratch;
  const auto callbacks = [&](const char* folder) -> std::vector<CallbackPtr> {
    return {callbacks::SwapEMAWeights({.swap_on_epoch = true}),
            callbacks::BackupAndRestore({.backup_dir = scratch / folder})};
  };
  const Averaged whole(data, callbacks("whole"));
  std::vector<CallbackPtr> crashing = callbacks("crash");
  crashing.push_back(std::make_shared<Crash>(3));
  EXPECT_THROW(Averaged(data, crashing), Error);
  std::vector<CallbackPtr> again = callbacks("crash");
  again.push_back(std::make_shared<Crash>(99));
  const Averaged resumed(data, again);
  expect_same_bits(*whole.model, *resumed.model);
}

TEST(SwapEMAWeights, LeavesTheAveragesOfARunThatIsStopped) {
  Random random;
  const Spokes data(random, 20);
  const auto stop =
      callbacks::LambdaCallback({.on_epoch_end = [](FitRun& run, std::int64_t epoch, Logs&) {
        if (epoch == 1) run.stop_training();
      }});
  const auto swap = callbacks::SwapEMAWeights({.swap_on_epoch = true});
  const Averaged two(data, {swap}, 2), stopped(data, {swap, stop}, 3), other(data, {stop, swap}, 3);
  expect_same_bits(*two.model, *stopped.model);
  expect_same_bits(*two.model, *other.model);
  expect_same_bits(*two.model, *Averaged(data, {}, 2).model);
}

TEST(SwapEMAWeights, NeedsAnOptimizerWithAverages) {
  EXPECT_THAT(message_of([] { (void)Trained({1}, {callbacks::SwapEMAWeights()}); }),
              HasSubstr("SwapEMAWeights must be used when `use_ema=True` is set on the optimizer"));
}

}  // namespace
}  // namespace lamina

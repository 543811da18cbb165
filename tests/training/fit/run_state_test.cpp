// A run's state and the variables that hold it.
#include <gmock/gmock.h>

#include "tests/training/fit/run_state_scene.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using training::RunState;
using training::StateVariables;

TEST(RunState, IsDecodedAsItWasEncoded) {
  Random random;
  for (int i = 0; i < 200; ++i) {
    const RunState state = random_state(random);
    const RunState now = later_state(random, state);
    EXPECT_EQ(training::decode(encoded(state), now, "f"), state);
  }
}

TEST(RunState, IsEncodedAsVersionFiveHasIt) {
  Random random;
  RunState state = random_state(random);
  state.data = RunState::OfData{.batches = 7, .initial_epoch = 2};
  state.optimizer = "Mine";
  state.callbacks = {{"EarlyStopping", {1, 2}}, {"Mine", {}}, {"CsvLogger", {3}}};
  const StateVariables variables = encoded(state);
  EXPECT_THAT(keys_of(variables),
              ElementsAre("progress", "metrics", "callbacks", "data", "optimizer_class",
                          "callback_0_class", "callback_1_class", "callback_2_class"));
  EXPECT_THAT(values_of<std::int64_t>(variables, "progress"),
              ElementsAre(5, static_cast<std::int64_t>(state.seed), state.epoch, state.batch,
                          state.samples, state.batch_size, state.steps_per_epoch,
                          state.shuffles ? 1 : 0, state.step, state.stopped ? 1 : 0));
  EXPECT_EQ(values_of<double>(variables, "metrics"), state.metrics);
  EXPECT_THAT(values_of<double>(variables, "callbacks"), ElementsAre(3, 1, 2, 3));
  EXPECT_THAT(values_of<std::int64_t>(variables, "data"), ElementsAre(7, 2));
  std::vector<std::uint8_t> mine = {'M', 'i', 'n', 'e'};
  mine.resize(32);
  EXPECT_EQ(values_of<std::uint8_t>(variables, "callback_1_class"), mine);
  EXPECT_EQ(values_of<std::uint8_t>(variables, "optimizer_class"), mine);
}

TEST(RunState, IsEncodedIntoTheVariablesThatAreThere) {
  Random random;
  const RunState first = random_state(random);
  StateVariables variables = encoded(first);
  variables.push_back({"callback_0_0", std::make_shared<Variable>("own", Tensor::zeros({3}))});
  const StateVariables before = variables;
  const RunState second = later_state(random, first);
  training::encode(second, variables);
  ASSERT_EQ(keys_of(variables), keys_of(before));
  for (std::size_t i = 0; i < variables.size(); ++i) {
    EXPECT_EQ(variables[i].variable, before[i].variable) << variables[i].key;
  }
  EXPECT_EQ(training::decode(variables, first, "f"), second);
}

TEST(RunState, WritesWhatNeverChangesOnce) {
  Random random;
  RunState state = random_state(random);
  state.data = RunState::OfData{.batches = 7, .initial_epoch = 2};
  state.callbacks = {{"Mine", {1}}};
  StateVariables variables = encoded(state);
  const auto values = [&](const char* key) { return variable_of(variables, key)->value(); };
  const Tensor data = values("data"), name = values("callback_0_class"),
               optimizer = values("optimizer_class");
  training::encode(later_state(random, state), variables);
  EXPECT_EQ(values("data").raw(), data.raw());
  EXPECT_EQ(values("callback_0_class").raw(), name.raw());
  EXPECT_EQ(values("optimizer_class").raw(), optimizer.raw());
}

TEST(RunState, HasAlwaysAsManyNumbers) {
  Random random;
  RunState state = random_state(random);
  state.callbacks = {{"Mine", {1, 2}}};
  StateVariables variables = encoded(state);
  state.callbacks[0].numbers.push_back(3);
  EXPECT_THAT(message_of([&] { training::encode(state, variables); }),
              HasSubstr("variable.shape=(3,), Received: value.shape=(4,)"));
  EXPECT_THAT(values_of<double>(variables, "callbacks"), ElementsAre(1, 1, 2));
}

TEST(RunState, KeepsThirtyTwoBytesOfAClassName) {
  Random random;
  RunState state = random_state(random), now = state;
  const std::string name = random_name(random, 32);
  state.callbacks = {{name + "AndMore", {}}};
  now.callbacks = {{name + "Otherwise", {}}};
  const RunState saved = training::decode(encoded(state), now, "f");
  EXPECT_EQ(saved.callbacks.at(0).class_name, name);
  EXPECT_NO_THROW(training::require_same_run(saved, now, "f"));
  now.callbacks[0].class_name = name.substr(0, 31);
  EXPECT_THROW(training::require_same_run(saved, now, "f"), ValueError);
}

TEST(RunState, OfAnotherVersionIsRefused) {
  Random random;
  const RunState state = random_state(random);
  for (const std::int64_t version : {std::int64_t{-4}, std::int64_t{1}, std::int64_t{6}}) {
    StateVariables variables = encoded(state);
    auto progress = values_of<std::int64_t>(variables, "progress");
    progress[0] = version;
    replace(variables, "progress", progress);
    EXPECT_EQ(message_of([&] { (void)training::decode(variables, state, "d/f.weights.h5"); }),
              std::string("'d/f.weights.h5' cannot be resumed from: its run had ")
                  .append(std::to_string(version))
                  .append(" as its version, this one has 5."));
  }
}

TEST(RunState, OfMoreOrFewerCallbacksIsRefused) {
  Random random;
  RunState saved = random_state(random), now = saved;
  saved.callbacks = {{"Mine", {1, 2}}, {"Yours", {}}};
  now.callbacks = {{"Mine", {1, 2}}};
  EXPECT_EQ(message_of([&] { (void)training::decode(encoded(saved), now, "f"); }),
            "'f' cannot be resumed from: its run had 2 callbacks, this one has 1.");
}

class SameRun : public ::testing::Test {
 protected:
  SameRun() {
    run_.data = RunState::OfData{.batches = 7, .initial_epoch = 2};
    run_.callbacks = {{"EarlyStopping", {1, 2}}, {"Mine", {}}};
  }
  /// What is said of a run that is like the one that saved but for what `change` does to it.
  template <class F>
  std::string refusal(const F& change) {
    RunState now = later_state(random_, run_);
    change(now);
    return message_of([&] { training::require_same_run(run_, now, "d/f.weights.h5"); });
  }
  static std::string words(const char* what, std::int64_t saved, std::int64_t now) {
    return std::string("'d/f.weights.h5' cannot be resumed from: its run had ")
        .append(std::to_string(saved))
        .append(" ")
        .append(what)
        .append(", this one has ")
        .append(std::to_string(now))
        .append(".");
  }

  Random random_;
  RunState run_ = random_state(random_);
};

TEST_F(SameRun, MayBeAnywhereElse) {
  for (int i = 0; i < 20; ++i) EXPECT_EQ(refusal([](RunState&) {}), "nothing was thrown");
}

TEST_F(SameRun, HasTheSameNumbers) {
  const auto expect_refused = [&](std::int64_t RunState::*member, const char* what) {
    const std::int64_t other = random_.integer(0, 1000000) + (run_.*member > 2000000 ? 0 : 3000000);
    EXPECT_EQ(refusal([&](RunState& now) { now.*member = other; }),
              words(what, run_.*member, other));
  };
  expect_refused(&RunState::samples, "samples");
  expect_refused(&RunState::batch_size, "samples a batch");
  expect_refused(&RunState::steps_per_epoch, "batches an epoch");
}

TEST_F(SameRun, HasTheSameData) {
  EXPECT_EQ(refusal([](RunState& now) { now.data->batches = 8; }), words("batches of data", 7, 8));
  EXPECT_EQ(refusal([](RunState& now) { now.data->initial_epoch = 0; }),
            words("as its initial epoch", 2, 0));
}

TEST_F(SameRun, ShufflesAsItDid) {
  const std::int64_t saved = run_.shuffles ? 1 : 0;
  EXPECT_EQ(refusal([](RunState& now) { now.shuffles = !now.shuffles; }),
            words("as its shuffling", saved, 1 - saved));
}

TEST_F(SameRun, HasAnOptimizerOfTheSameClass) {
  run_.optimizer = "SGD";
  EXPECT_EQ(refusal([](RunState& now) { now.optimizer = "RMSprop"; }),
            "'d/f.weights.h5' cannot be resumed from: the optimizer of its run was of the class "
            "'SGD', that of this one is of 'RMSprop'.");
}

TEST_F(SameRun, HasComeToWhereItGoesOn) {
  const std::int64_t steps = run_.steps_per_epoch = random_.integer(1, 1000);
  const auto said = [&](std::int64_t epoch, std::int64_t batch) {
    run_.epoch = epoch;
    run_.batch = batch;
    return refusal([](RunState&) {});
  };
  EXPECT_EQ(said(3, steps), "nothing was thrown");
  EXPECT_THAT(said(3, steps + 1), HasSubstr("it says to go on with batch"));
  EXPECT_EQ(said(3, -1),
            "'d/f.weights.h5' cannot be resumed from: it says to go on with batch -1 of epoch 3.");
  EXPECT_THAT(said(-1, 0), HasSubstr("it says to go on with batch 0 of epoch -1."));
}

TEST_F(SameRun, HasCallbacksOfTheSameClasses) {
  EXPECT_EQ(refusal([](RunState& now) { now.callbacks[1].class_name = "Yours"; }),
            "'d/f.weights.h5' cannot be resumed from: callback 1 of its run was of the class "
            "'Mine', that of this one is of 'Yours'. The callbacks have to be the same ones, in "
            "the same order.");
}

}  // namespace
}  // namespace lamina

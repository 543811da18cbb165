// What the state of a run was in the versions before this one.
#include "training/fit/run_state_versions.h"

#include <gmock/gmock.h>

#include <map>

#include "tests/training/fit/run_state_scene.h"

namespace lamina {
namespace {

using namespace test;
using training::RunState;
using training::StateVariables;

/// As a catalog of a file shows these variables.
class Stored {
 public:
  explicit Stored(const StateVariables& variables) {
    for (const auto& each : variables) {
      h5::Dataset& dataset = datasets_[each.key];
      dataset.shape = each.variable->shape();
      group.items.emplace(each.key, checkpoint::CatalogItem{&dataset, nullptr});
    }
    group.count = variables.size();
  }
  checkpoint::CatalogGroup group;

 private:
  std::map<std::string, h5::Dataset> datasets_;
};

/// Gives each variable that was asked for what is stored under its key, which has to be of its
/// shape, as a load does.
void load(const StateVariables& asked, const StateVariables& stored) {
  ASSERT_EQ(keys_of(asked), keys_of(stored));
  for (const auto& each : asked) {
    each.variable->assign(variable_of(stored, each.key)->value());
  }
}

/// A run of a CSVLogger, whose number files had not always, between two other callbacks.
RunState random_run(Random& random) {
  RunState run = random_state(random);
  run.callbacks = {{"EarlyStopping", random_numbers(random, random.integer(0, 4))},
                   {"CsvLogger", random_numbers(random, 1)},
                   {"ModelCheckpoint", random_numbers(random, random.integer(0, 4))}};
  return run;
}

/// As Lamina saved it in version 2 or 3, when CSVLogger had a number or not, or 4, when it had.
StateVariables old_variables(const RunState& state, std::int64_t version, bool loggers_count) {
  StateVariables out = encoded(state);
  std::erase_if(out, [&](const auto& each) {
    return each.key == "optimizer_class" || (version == 2 && each.key.ends_with("_class"));
  });
  auto progress = values_of<std::int64_t>(out, "progress");
  progress[0] = version;
  progress.resize(version == 2 ? 8 : version == 3 ? 9 : 10);
  if (version < 4 && state.samples == 0)
    progress[7] = 1;  // so it said of loaders, which it never shuffled
  replace(out, "progress", progress);
  if (!loggers_count) {
    auto numbers = values_of<double>(out, "callbacks");
    numbers.erase(numbers.begin() + 1 +
                  static_cast<std::ptrdiff_t>(state.callbacks[0].numbers.size()));
    replace(out, "callbacks", numbers);
  }
  return out;
}

RunState decoded(const RunState& now, const StateVariables& stored, std::int64_t steps) {
  StateVariables asked = training::as_stored(encoded(now), Stored(stored).group, now);
  load(asked, stored);
  training::bring_up_to_date(asked, now, steps);
  return training::decode(asked, now, "f");
}

TEST(RunStateVersions, OfBeforeAreBroughtUpToDate) {
  Random random;
  for (int i = 0; i < 50; ++i) {
    for (const std::int64_t version : {2, 3, 4}) {
      for (const bool loggers_count : {false, true}) {
        if (version == 4 && !loggers_count) continue;
        const RunState state = random_run(random), now = later_state(random, state);
        const std::int64_t steps = random.integer(0, 1000);
        RunState expected = state;
        if (version < 4) expected.stopped = false;
        if (version == 2) expected.step = steps;
        if (version < 4 && state.samples == 0) expected.shuffles = false;
        if (!loggers_count) expected.callbacks[1].numbers = {-1};
        EXPECT_EQ(decoded(now, old_variables(state, version, loggers_count), steps), expected)
            << "version " << version << ", CSVLogger's number: " << loggers_count;
      }
    }
  }
}

TEST(RunStateVersions, OfTodayStayAsTheyAre) {
  Random random;
  for (int i = 0; i < 50; ++i) {
    const RunState state = random_run(random), now = later_state(random, state);
    EXPECT_EQ(decoded(now, encoded(state), random.integer(0, 1000)), state);
  }
}

TEST(RunStateVersions, LeaveTheVariablesOfTheRunAsTheyAre) {
  Random random;
  const RunState state = random_run(random), now = later_state(random, state);
  const StateVariables of_run = encoded(now), stored = old_variables(state, 2, false);
  (void)training::as_stored(of_run, Stored(stored).group, now);
  EXPECT_EQ(keys_of(of_run), keys_of(encoded(now)));
  EXPECT_EQ(training::decode(of_run, state, "f"), now);
}

TEST(RunStateVersions, MayStandAboveTodaysNumbers) {
  Random random;
  const RunState state = random_run(random), now = later_state(random, state);
  for (const std::int64_t version : {2, 3, 4}) {
    StateVariables stored = encoded(state);
    auto progress = values_of<std::int64_t>(stored, "progress");
    progress[0] = version;
    replace(stored, "progress", progress);
    EXPECT_EQ(decoded(now, stored, random.integer(0, 1000)), state);
  }
}

TEST(RunStateVersions, OlderThanTheseAreRefused) {
  Random random;
  const RunState state = random_run(random), now = later_state(random, state);
  StateVariables stored = old_variables(state, 2, true);
  auto progress = values_of<std::int64_t>(stored, "progress");
  progress[0] = 1;
  replace(stored, "progress", progress);
  EXPECT_EQ(message_of([&] { (void)decoded(now, stored, 0); }),
            "'f' cannot be resumed from: its run had 1 as its version, this one has 5.");
}

TEST(RunStateVersions, OfAnotherNumberOfCallbacksAreRefused) {
  Random random;
  const RunState now = random_run(random);
  RunState state = later_state(random, now);
  state.callbacks.push_back({"Mine", {}});  // of no numbers, so that shapes do not tell
  EXPECT_EQ(message_of([&] { (void)decoded(now, old_variables(state, 2, true), 0); }),
            "'f' cannot be resumed from: its run had 4 callbacks, this one has 3.");
}

}  // namespace
}  // namespace lamina

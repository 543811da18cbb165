// A run goes on from files of the versions of the state that came before.
#include <gmock/gmock.h>

#include <array>

#include "checkpoint/checkpoint.h"
#include "models/weights/keras_paths.h"
#include "tests/training/fit/loaders.h"
#include "tests/training/resume/resume_scene.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// Saves once, as Lamina 0.1 did in version 4; in version 3 before CSVLogger, here the first
/// callback, had a number; or, with version 2, before the classes of callbacks were kept.
class SavesOldState : public Callback {
 public:
  SavesOldState(std::filesystem::path file, std::int64_t step, std::int64_t version)
      : file_(std::move(file)), step_(step), version_(version) {}
  bool saves() const override { return true; }
  void on_train_batch_end(FitRun& run, std::int64_t, const Logs&) override {
    if (run.step() != step_) return;
    run.refresh_state();
    auto named = models::name_weights(run.model(), models::TrainingState::kIncluded);
    auto& state = named.tree.nodes.back().variables;
    for (auto& each : state) {
      if (each.key != "callbacks" || version_ == 4) continue;
      const auto all = each.variable->value().data<double>();
      std::vector<double> old(all.begin(), all.end());
      old.erase(old.begin() + 1);
      const auto size = static_cast<std::int64_t>(old.size());
      each.variable = std::make_shared<Variable>("callbacks", Tensor::from(old, {size}), false);
    }
    make_old(state);
    checkpoint::save(named.tree, file_, {});
  }

 private:
  void make_old(std::vector<weights::WeightVariable>& state) const {
    std::erase_if(state, [this](const auto& each) {
      return each.key == "optimizer_class" || (version_ == 2 && each.key.ends_with("_class"));
    });
    for (auto& each : state) {
      if (each.key != "progress") continue;
      const auto all = each.variable->value().data<std::int64_t>();
      std::vector<std::int64_t> old(
          all.begin(),
          all.begin() + std::array{8, 9, 10}.at(static_cast<std::size_t>(version_ - 2)));
      old[0] = version_;
      if (version_ < 4 && old[4] == 0)
        old[7] = 1;  // so it said of loaders, which it never shuffled
      const auto size = static_cast<std::int64_t>(old.size());
      each.variable = std::make_shared<Variable>("progress", Tensor::from(old, {size}), false);
    }
  }

  std::filesystem::path file_;
  std::int64_t step_, version_;
};

TEST(Resume, FromAnOlderFile) {
  Random random;
  const Spokes data(random, 60);
  const Scratch scratch;
  const auto old = scratch / "old.weights.h5", log = scratch / "log.csv";
  for (const std::int64_t version : {2, 3, 4}) {
    const std::int64_t step = random.integer(1, 20);
    const auto callbacks = [&](std::int64_t saved, bool append) {
      return std::vector<CallbackPtr>{callbacks::CSVLogger({.filename = log, .append = append}),
                                      callbacks::EarlyStopping({.patience = 9}),
                                      std::make_shared<SavesOldState>(old, saved, version)};
    };
    const ModelPtr whole = compiled(1);
    (void)whole->fit(data.x, data.y, options(callbacks(step, false)));
    const std::string lines = read_file(log);
    for (const bool append : {false, true}) {
      const ModelPtr resumed = compiled(3);
      FitOptions from = options(callbacks(-1, append));
      from.resume_from = old;
      (void)resumed->fit(data.x, data.y, from);
      expect_same_bits(*whole, *resumed);
      // What is appended to may hold earlier runs, of which older files say nothing.
      EXPECT_THAT(read_file(log), StartsWith(lines)) << version;
      EXPECT_EQ(read_file(log).size() > lines.size(), append && version < 4) << version;
    }
  }
}

TEST(Resume, FromAnOlderFileTakesALoadersBatchesInTheirOrder) {
  Random random;
  const Spokes data(random, 60);
  const Scratch scratch;
  const auto old = scratch / "old.weights.h5", log = scratch / "log.csv";
  const auto with = [&](std::int64_t saved, bool shuffle) {
    FitOptions given = options(
        {callbacks::CSVLogger({.filename = log}), std::make_shared<SavesOldState>(old, saved, 3)});
    given.validation_split = 0;
    given.shuffle = shuffle;
    return given;
  };
  const ModelPtr whole = compiled(1), resumed = compiled(3);
  (void)whole->fit(std::make_shared<Rows>(data), with(random.integer(1, 20), false));
  FitOptions from = with(-1, true);
  from.resume_from = old;
  EXPECT_THAT(message_of([&] { (void)resumed->fit(std::make_shared<Rows>(data), from); }),
              HasSubstr("its run had 0 as its shuffling, this one has 1"));
  from.shuffle = false;
  (void)resumed->fit(std::make_shared<Rows>(data), from);
  expect_same_bits(*whole, *resumed);
}

}  // namespace
}  // namespace lamina

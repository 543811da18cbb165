#include <gmock/gmock.h>

#include <set>

#include "tests/fakes/event_reader.h"
#include "tests/training/fit_helpers.h"

namespace lamina {
namespace {

using namespace test;
using lamina::testing::event_files;
using lamina::testing::read_event_file;
using lamina::testing::Scalar;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Scalars = std::vector<Scalar>;

ModelPtr compiled(std::uint64_t seed = 1) {
  const ModelPtr model = classifier(seed);
  model->compile(
      {.optimizer = optimizers::Adam({.learning_rate = schedules::CosineDecay(
                                          {.initial_learning_rate = 0.05, .decay_steps = 40})}),
       .loss = "sparse_categorical_crossentropy",
       .metrics = {"accuracy"}});
  return model;
}

FitOptions options(std::vector<CallbackPtr> callbacks) {
  return {.batch_size = 10,
          .epochs = 3,
          .verbose = Verbose::kSilent,
          .callbacks = std::move(callbacks),
          .seed = 5};
}

/// Notes the logs of each batch, and the learning rate after it.
class Noted : public Callback {
 public:
  void on_train_batch_end(FitRun& run, std::int64_t, const Logs& logs) override {
    batches.push_back(logs);
    rates.push_back(run.optimizer().learning_rate());
  }
  std::vector<Logs> batches;
  std::vector<double> rates;
};

/// The only file there.
Scalars only_file(const std::filesystem::path& directory) {
  const auto files = event_files(directory);
  EXPECT_EQ(files.size(), 1U);
  return files.empty() ? Scalars{} : read_event_file(files[0]);
}

float of(double value) {
  return static_cast<float>(value);
}

TEST(TensorBoard, WritesEachEpochWithKerassTags) {
  Random random;
  const Spokes data(random, 40), held(random, 20);
  const Scratch scratch;
  const auto noted = std::make_shared<Noted>();
  FitOptions with = options({noted, callbacks::TensorBoard({.log_dir = scratch / "logs"})});
  with.validation_data = DataSet(held.x, held.y);
  with.validation_freq = 2;
  const auto h = compiled()->fit(data.x, data.y, with).history;
  Scalars train;
  for (const std::size_t epoch : {0U, 1U, 2U}) {
    const auto step = static_cast<std::int64_t>(epoch);
    train.push_back({"epoch_accuracy", step, of(h.at("accuracy")[epoch])});
    train.push_back({"epoch_learning_rate", step, of(noted->rates[4 * epoch + 3])});
    train.push_back({"epoch_loss", step, of(h.at("loss")[epoch])});
  }
  EXPECT_EQ(only_file(scratch / "logs/train"), train);
  const float accuracy = of(h.at("val_accuracy")[0]), loss = of(h.at("val_loss")[0]);
  EXPECT_EQ(only_file(scratch / "logs/validation"),
            (Scalars{{"evaluation_accuracy_vs_iterations", 8, accuracy},
                     {"epoch_accuracy", 1, accuracy},
                     {"evaluation_loss_vs_iterations", 8, loss},
                     {"epoch_loss", 1, loss}}));
}

TEST(TensorBoard, WritesBatchesAsOftenAsAsked) {
  Random random;
  const Spokes data(random, 40);  // 4 batches
  for (const std::int64_t freq : {1, 3}) {
    const Scratch scratch;
    const auto noted = std::make_shared<Noted>();
    (void)compiled()->fit(data.x, data.y,
                          options({noted, callbacks::TensorBoard({.log_dir = scratch / "logs",
                                                                  .update_freq = freq})}));
    Scalars expected, batches;
    for (std::int64_t step = freq; step <= 12; step += freq) {
      const Logs& logs = noted->batches[static_cast<std::size_t>(step) - 1];
      expected.push_back({"batch_accuracy", step, of(logs.at("accuracy"))});
      expected.push_back({"batch_loss", step, of(logs.at("loss"))});
    }
    for (const Scalar& scalar : only_file(scratch / "logs/train")) {
      if (scalar.tag.starts_with("batch_")) batches.push_back(scalar);
    }
    EXPECT_EQ(batches, expected);
    EXPECT_FALSE(std::filesystem::exists(scratch / "logs/validation"));
  }
}

TEST(TensorBoard, WritesHowFastItIsIfAsked) {
  Random random;
  const Spokes data(random, 40);
  const Scratch scratch;
  (void)compiled()->fit(
      data.x, data.y,
      options({callbacks::TensorBoard(
          {.log_dir = scratch / "logs", .write_steps_per_second = true, .update_freq = 4})}));
  std::vector<std::string> speeds;
  for (const Scalar& scalar : only_file(scratch / "logs/train")) {
    if (!scalar.tag.ends_with("steps_per_second")) continue;
    speeds.push_back(scalar.tag + " " + std::to_string(scalar.step));
    EXPECT_GT(scalar.value, 0);
    EXPECT_LT(scalar.value, 1e7);
  }
  EXPECT_THAT(speeds, ElementsAre("batch_steps_per_second 4", "epoch_steps_per_second 0",
                                  "batch_steps_per_second 8", "epoch_steps_per_second 1",
                                  "batch_steps_per_second 12", "epoch_steps_per_second 2"));
}

TEST(TensorBoard, OfARunThatGoesOnIsANewFileWithTheSameNumbers) {
  Random random;
  const Spokes data(random, 40), held(random, 20);
  const Scratch scratch;
  const auto run = [&](const char* logs, std::uint64_t seed, std::int64_t crash) {
    FitOptions with =
        options({std::make_shared<Crash>(crash),
                 callbacks::TensorBoard({.log_dir = scratch / logs, .update_freq = 1}),
                 callbacks::BackupAndRestore({.backup_dir = scratch / "b", .save_freq = 2})});
    with.validation_data = DataSet(held.x, held.y);
    const ModelPtr model = compiled(seed);
    const std::string message = message_of([&] { (void)model->fit(data.x, data.y, with); });
    EXPECT_EQ(message, crash < 100 ? "crash" : "nothing was thrown");
  };
  run("whole", 1, 1000);
  const Scalars whole = only_file(scratch / "whole/train");
  run("logs", 1, 7);  // before it writes of batch 8; the backup is of batch 6
  const auto first = event_files(scratch / "logs/train");
  ASSERT_EQ(first.size(), 1U);
  const Scalars begun = read_event_file(first[0]);
  EXPECT_EQ(begun, Scalars(whole.begin(), whole.begin() + 2 * 7 + 3));
  run("logs", 2, 1000);
  EXPECT_EQ(read_event_file(first[0]), begun);
  const auto both = event_files(scratch / "logs/train");
  ASSERT_EQ(both.size(), 2U);
  // From batch 7 on, which was logged before.
  EXPECT_EQ(read_event_file(both[both[0] == first[0] ? 1 : 0]),
            Scalars(whole.begin() + 2 * 6 + 3, whole.end()));
}

TEST(TensorBoard, BeginsNewFilesWithEachFitAndCountsItsBatchesOn) {
  Random random;
  const Spokes data(random, 40);
  const Scratch scratch;
  const ModelPtr model = compiled();
  const auto board = callbacks::TensorBoard({.log_dir = scratch / "logs", .update_freq = 12});
  (void)model->fit(data.x, data.y, options({board}));
  (void)model->fit(data.x, data.y, options({board}));
  std::set<std::int64_t> steps;
  const auto files = event_files(scratch / "logs/train");
  ASSERT_EQ(files.size(), 2U);
  for (const auto& file : files) {
    for (const Scalar& scalar : read_event_file(file)) {
      if (scalar.tag == "batch_loss") steps.insert(scalar.step);
    }
  }
  EXPECT_THAT(steps, ElementsAre(12, 24));
}

TEST(TensorBoard, SaysWhatIsWrong) {
  EXPECT_THAT(message_of([] { (void)callbacks::TensorBoard({.log_dir = ""}); }),
              HasSubstr("`log_dir`"));
  EXPECT_THAT(message_of([] { (void)callbacks::TensorBoard({.update_freq = 0}); }),
              HasSubstr("`update_freq` must be positive; received 0"));
  Random random;
  const Spokes data(random, 40);
  const Scratch scratch;
  std::ofstream(scratch / "file") << "no directory";
  const ModelPtr model = compiled();
  EXPECT_THAT(message_of([&] {
                (void)model->fit(data.x, data.y,
                                 options({callbacks::TensorBoard({.log_dir = scratch / "file"})}));
              }),
              HasSubstr((scratch / "file/train").string()));
  EXPECT_EQ(model->optimizer()->steps(), 0);
}

}  // namespace
}  // namespace lamina

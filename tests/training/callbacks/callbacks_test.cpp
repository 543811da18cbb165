#include <gmock/gmock.h>
#include <lamina/log.h>

#include <cmath>
#include <limits>

#include "tests/training/callbacks/scripted_run.h"
#include "tests/training/fit_helpers.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ReduceLROnPlateau, ReducesAfterPatienceAndRests) {
  const Trained run({5, 5, 5, 5, 5, 5, 5},
                    {callbacks::ReduceLROnPlateau({.monitor = "score",
                                                   .factor = 0.5,
                                                   .patience = 2,
                                                   .mode = callbacks::Mode::kMin,
                                                   .cooldown = 1,
                                                   .min_lr = 0.2})});
  std::vector<double> rates = run.history.history.at("learning_rate");
  EXPECT_THAT(rates,
              ElementsAre(0.5, 0.5, 0.5, 0.25, 0.25, DoubleNear(0.2, 1e-7), DoubleNear(0.2, 1e-7)));
  EXPECT_THROW((void)callbacks::ReduceLROnPlateau({.factor = 1.0}), ValueError);
}

TEST(LearningRateScheduler, SetsTheRateOfEachEpoch) {
  const Trained run(
      {0, 0, 0}, {callbacks::LearningRateScheduler(
                     [](std::int64_t epoch, double rate) { return epoch == 0 ? 1.0 : rate / 4; })});
  EXPECT_THAT(run.history.history.at("learning_rate"), ElementsAre(1.0, 0.25, 0.0625));
}

TEST(LambdaCallback, CallsWhatItWasGiven) {
  Random random;
  const Spokes data(random, 20);
  const ModelPtr model = classifier();
  model->compile({.optimizer = "sgd", .loss = "sparse_categorical_crossentropy"});
  std::string calls;
  const auto note = [&](const std::string& call) { calls += call + " "; };
  const auto at = [](std::int64_t number) { return std::to_string(number); };
  const CallbackPtr all = callbacks::LambdaCallback(
      {.on_epoch_begin = [&](FitRun&, std::int64_t epoch) { note("epoch" + at(epoch)); },
       .on_epoch_end =
           [&](FitRun& run, std::int64_t epoch, Logs& logs) {
             logs["mine"] = 3;
             note(logs.contains("val_loss") ? "end" : "?");
             if (epoch == 1) run.stop_training();
           },
       .on_train_begin = [&](FitRun&) { note("begin"); },
       .on_train_end = [&](FitRun&,
                           const Logs& logs) { note("over" + at(std::int64_t(logs.at("mine")))); },
       .on_train_batch_begin = [&](FitRun&, std::int64_t batch) { note("batch" + at(batch)); },
       .on_train_batch_end = [&](FitRun&, std::int64_t batch, const Logs&) { note(at(batch)); },
       .on_test_begin = [&](FitRun&) { note("test"); },
       .on_test_end = [&](FitRun&,
                          const Logs& logs) { note(logs.contains("loss") ? "tested" : "?"); }});
  (void)model->fit(data.x, data.y,
                   {.batch_size = 10,
                    .epochs = 3,
                    .verbose = Verbose::kSilent,
                    .callbacks = {callbacks::LambdaCallback({}), all},
                    .validation_data = DataSet(data.x, data.y)});
  EXPECT_EQ(calls,
            "begin epoch0 batch0 0 batch1 1 test tested end "
            "epoch1 batch0 0 batch1 1 test tested end over3 ");
}

TEST(CSVLogger, WritesALineAnEpoch) {
  const Scratch scratch;
  const auto file = scratch / "log.csv";
  const Trained run({0.5, 0.25}, {callbacks::CSVLogger({.filename = file})});
  const auto& loss = run.history.history.at("loss");
  std::stringstream lines(read_file(file));
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(line, "epoch,loss,score,val_loss,val_score\r");
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_THAT(line, HasSubstr("0," + std::to_string(loss[0]).substr(0, 5)));
  EXPECT_THAT(line, HasSubstr(",0.5,NA,NA\r"));
  EXPECT_THROW(Trained({0}, {callbacks::CSVLogger({.filename = scratch / "none/log.csv"})}),
               StorageError);
}

TEST(CSVLogger, WritesNumbersAsPythonDoes) {
  const Scratch scratch;
  const auto file = scratch / "log.csv";
  const double infinite = std::numeric_limits<double>::infinity();
  const std::vector<std::pair<double, std::string>> numbers = {{1, "1.0"},
                                                               {-0.0, "-0.0"},
                                                               {1e-05, "1e-05"},
                                                               {0.0001, "0.0001"},
                                                               {123456, "123456.0"},
                                                               {1e16, "1e+16"},
                                                               {0.1, "0.1"},
                                                               {infinite, "inf"},
                                                               {std::nan(""), "nan"},
                                                               {-std::nan(""), "nan"}};
  std::vector<double> scores;
  for (const auto& [number, text] : numbers) scores.push_back(number);
  const Trained run(scores, {callbacks::CSVLogger({.filename = file})});
  std::stringstream lines(read_file(file));
  std::string line;
  std::getline(lines, line);
  for (const auto& [number, text] : numbers) {
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_THAT(line, ::testing::EndsWith(std::string(",").append(text).append(",NA,NA\r")));
  }
}

TEST(TerminateOnNaN, EndsTrainingAtOnce) {
  const auto x = layers::Input({.shape = {1}});
  const auto model = Functional::create(x, layers::Dense({.units = 1})(x));
  model->compile({.optimizer = optimizers::SGD({.learning_rate = 1e30}), .loss = "mse"});
  std::string warning;
  const WarningHandler before =
      set_warning_handler([&](std::string_view text) { warning = std::string(text); });
  Random random;
  (void)model->fit(random.tensor({50, 1}), random.tensor({50, 1}),
                   {.batch_size = 1,
                    .epochs = 5,
                    .verbose = Verbose::kSilent,
                    .callbacks = {callbacks::TerminateOnNaN()}});
  set_warning_handler(before);
  EXPECT_THAT(warning, HasSubstr("Invalid loss, terminating training"));
  EXPECT_LT(model->optimizer()->iterations(), 10);
}

}  // namespace
}  // namespace lamina

// What `fit` shows of its progress; beside Keras: tests/interop.
#include <gmock/gmock.h>

#include <cmath>
#include <cstdio>

#include "tests/training/fit_helpers.h"
#include "training/fit/progress_bar.h"
#include "training/fit/progress_text.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;
using training::ProgressText;

/// The first state that is shown of an epoch.
std::string shown(std::int64_t steps, int columns, std::int64_t done, double seconds,
                  const Logs& logs, bool last) {
  ProgressText text(steps, columns);
  text.add(logs);
  return text.str(done, seconds, logs, last);
}

TEST(ProgressText, OfALineIsKeras) {
  const Logs logs = {{"accuracy", 0.5}, {"loss", 0.0000125}};
  EXPECT_EQ(shown(120, 0, 7, 1.4, logs, false),
            "  7/120 - 22s - 200ms/step - accuracy: 0.5000 - loss: 1.2500e-05");
  EXPECT_EQ(shown(120, 0, 120, 0.06, {{"loss", -0.5}}, true),
            "120/120 - 0s - 500us/step - loss: -5.0000e-01");
  EXPECT_EQ(shown(1, 0, 1, 2, {{"loss", -std::nan("")}}, true), "1/1 - 2s - 2s/step - loss: nan");
}

TEST(ProgressText, OfABarHasNoGreenPartBeforeThereIsOne) {
  const std::string line = "\xE2\x94\x81";
  EXPECT_EQ(shown(3, 2, 1, 1, {{"loss", -0.5}}, false),
            std::string("\x1b[1m1/3\x1b[0m \x1b[37m")
                .append(line)
                .append(line)
                .append("\x1b[0m \x1b[1m2s\x1b[0m 1s/step - loss: -0.5000"));
  EXPECT_EQ(shown(3, 2, 2, 1, {}, false), std::string("\x1b[1m2/3\x1b[0m \x1b[32m")
                                              .append(line)
                                              .append("\x1b[0m\x1b[37m")
                                              .append(line)
                                              .append("\x1b[0m \x1b[1m0s\x1b[0m 500ms/step"));
}

TEST(ProgressText, SaysHowLongTheRestTakes) {
  const auto rest = [](double seconds) { return shown(2, 0, 1, seconds, {}, false); };
  EXPECT_THAT(rest(60), HasSubstr(" - 60s - "));
  EXPECT_THAT(rest(61.5), HasSubstr(" - 1:01 - "));
  EXPECT_THAT(rest(3600), HasSubstr(" - 60:00 - "));
  EXPECT_THAT(rest(3600.5), HasSubstr(" - 1:00:00 - "));
}

TEST(ProgressText, LeavesTheFirstStepOutOfTheTimeOfAStep) {
  ProgressText text(10, 0);
  EXPECT_EQ(text.str(0, 3, {}, false), " 0/10 - 0s - 0s/step");
  text.step(1, 5);
  EXPECT_EQ(text.str(1, 5, {}, false), " 1/10 - 45s - 5s/step");
  text.step(5, 7);
  EXPECT_EQ(text.str(5, 7, {}, false), " 5/10 - 2s - 500ms/step");
  EXPECT_EQ(text.str(10, 9.5, {}, true), "10/10 - 10s - 500ms/step");
}

TEST(ProgressText, KeepsTheOrderInWhichLogsCame) {
  ProgressText text(1, 0);
  Logs logs = {{"loss", 1}, {"val_loss", 2}};
  text.add(logs);
  logs["learning_rate"] = 0.5;
  EXPECT_THAT(text.str(1, 0, logs, true), EndsWith(" - loss: 1.0000 - val_loss: 2.0000"));
  text.add(logs);
  EXPECT_THAT(text.str(1, 0, logs, true), EndsWith(" - val_loss: 2.0000 - learning_rate: 0.5000"));
}

/// Says when it is called, and adds a log.
class Speaks : public Callback {
 public:
  void on_epoch_begin(FitRun&, std::int64_t) override { std::fputs("begin\n", stderr); }
  void on_epoch_end(FitRun&, std::int64_t, Logs& logs) override {
    std::fputs("end\n", stderr);
    logs["added"] = 7;
  }
};

std::string shown_by_fit(Verbose verbose, std::int64_t epochs) {
  Random random;
  const Spokes data(random, 20);
  const ModelPtr model = classifier();
  model->compile({.optimizer = "sgd", .loss = "sparse_categorical_crossentropy"});
  ::testing::internal::CaptureStderr();
  (void)model->fit(data.x, data.y,
                   {.batch_size = 10,
                    .epochs = epochs,
                    .verbose = verbose,
                    .callbacks = {std::make_shared<Speaks>()}});
  return ::testing::internal::GetCapturedStderr();
}

TEST(Progress, OfAnEpochBeginsAndEndsBehindTheCallbacks) {
  const std::string epoch =
      "begin\nEpoch ./2\nend\n2/2 - .*s - .*s/step - loss: .* - added: 7.0000\n";
  EXPECT_THAT(shown_by_fit(Verbose::kLine, 2), MatchesRegex(epoch + epoch));
  const std::string bar = shown_by_fit(Verbose::kBar, 2);
  EXPECT_THAT(bar, StartsWith("begin\nEpoch 1/2\n\r"));
  EXPECT_THAT(bar, AllOf(HasSubstr("end\n\r"), EndsWith(" - added: 7.0000\x1b[K\n")));
}

TEST(Progress, EndsNothingWhereItCannotBeWritten) {
  std::FILE* const full = std::fopen("/dev/full", "w");
  ASSERT_NE(full, nullptr);
  std::setvbuf(full, nullptr, _IONBF, 0);  // as standard error
  training::ProgressBar bar(1, Verbose::kLine, full);
  EXPECT_NO_THROW(bar.finish(1, {{"loss", 0.5}}));
  EXPECT_NE(std::ferror(full), 0);
  std::fclose(full);
}

TEST(Progress, NamesNoEpochWhereThereIsOne) {
  EXPECT_THAT(shown_by_fit(Verbose::kLine, 1), StartsWith("begin\nend\n2/2 - "));
  EXPECT_EQ(shown_by_fit(Verbose::kSilent, 2), "begin\nend\nbegin\nend\n");
}

}  // namespace
}  // namespace lamina

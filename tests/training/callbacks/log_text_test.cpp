// Names of files that logs are part of, and files of logs, as Python words them.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tests/training/fit_helpers.h"
#include "training/callbacks/path_pattern.h"

namespace lamina {
namespace {

using namespace test;
using training::fill_pattern;

TEST(PathPattern, FormatsLogsAsPythonDoes) {
  const double none = std::nan(""), infinite = std::numeric_limits<double>::infinity();
  const std::vector<std::pair<double, std::string>> numbers = {
      {1, "1.0|1.00|+1.0e+00"},       {-0.5, "-0.5|-0.50|-5.0e-01"},
      {1e-05, "1e-05|0.00|+1.0e-05"}, {123456, "123456.0|123456.00|+1.2e+05"},
      {none, "nan|nan|+nan"},         {-none, "nan|nan|+nan"},
      {-infinite, "-inf|-inf|-inf"}};
  for (const auto& [number, text] : numbers) {
    EXPECT_EQ(fill_pattern("{loss}|{loss:.2f}|{loss:+.1e}", 1, {}, {{"loss", number}}), text);
  }
}

TEST(PathPattern, TakesAnyNameThatALogHas) {
  const Logs logs = {{"val_my-out 1_loss", 0.25}, {"a", 2}};
  EXPECT_EQ(fill_pattern("{epoch:03d}-{batch}-{val_my-out 1_loss:.1f}-{{a}}-{a:4.1f}", 7, 12, logs),
            "007-12-0.2-{a}- 2.0");
  EXPECT_EQ(fill_pattern("{batch}", 7, 12, {{"batch", 0.5}}), "0.5");
  for (const char* wrong : {"{batch}", "{b}", "{}", "{a", "a}", "{a:.2q}", "{a:{epoch}}"}) {
    EXPECT_THROW((void)fill_pattern(wrong, 1, {}, logs), ValueError) << wrong;
  }
}

/// Trains three epochs, the first of which is validated alone; it dies when `crash_at` begins.
void log_a_run(const Spokes& data, const std::filesystem::path& folder,
               const std::string& separator, std::int64_t crash_at = -1) {
  set_random_seed(1);
  const auto model = classifier();
  model->compile({.optimizer = optimizers::SGD({.learning_rate = 0.5}),
                  .loss = "sparse_categorical_crossentropy"});
  const auto measure = [](FitRun&, std::int64_t epoch, Logs& logs) {
    logs["a\"b"] = static_cast<double>(epoch) + 0.5;
    if (epoch == 0) logs["val_loss"] = 0.25;
  };
  const auto die = [=](FitRun&, std::int64_t epoch) {
    if (epoch == crash_at) throw Error("crashed");
  };
  (void)model->fit(
      data.x, data.y,
      {.epochs = 3,
       .verbose = Verbose::kSilent,
       .callbacks = {callbacks::LambdaCallback({.on_epoch_begin = die, .on_epoch_end = measure}),
                     callbacks::CSVLogger({.filename = folder / "log.csv", .separator = separator}),
                     callbacks::BackupAndRestore({.backup_dir = folder / "backup"})},
       .seed = 1});
}

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::stringstream text(read_file(file));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

TEST(CSVLogger, QuotesWhatHoldsASeparator) {
  Random random;
  const Spokes data(random, 20);
  const Scratch scratch;
  log_a_run(data, scratch.path(), "_");
  const std::vector<std::string> lines = lines_of(scratch / "log.csv");
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0], "epoch_\"a\"\"b\"_loss_\"val_loss\"\r");
  EXPECT_THAT(lines[1], ::testing::MatchesRegex("0_0\\.5_[0-9.]+_0\\.25\r"));
  EXPECT_THAT(lines[3], ::testing::MatchesRegex("2_2\\.5_[0-9.]+_NA\r"));
  log_a_run(data, scratch.path(), ".");
  EXPECT_THAT(lines_of(scratch / "log.csv")[1],
              ::testing::MatchesRegex("0\\.\"0\\.5\"\\.\"[0-9.]+\"\\.\"0\\.25\"\r"));
}

TEST(CSVLogger, FindsQuotedColumnsAgain) {
  Random random;
  const Spokes data(random, 20);
  for (const std::string separator : {"_", ",", "l"}) {
    const Scratch once, twice;
    log_a_run(data, once.path(), separator);
    EXPECT_THROW(log_a_run(data, twice.path(), separator, 1), Error);
    log_a_run(data, twice.path(), separator);
    EXPECT_EQ(read_file(once / "log.csv"), read_file(twice / "log.csv")) << separator;
  }
}

}  // namespace
}  // namespace lamina

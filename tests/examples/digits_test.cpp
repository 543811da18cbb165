// The example that trains, killed on its way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <regex>
#include <thread>

#include "tests/fakes/program.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

using lamina::testing::file_content;
using lamina::testing::finish_program;
using lamina::testing::Outcome;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

namespace {

class Digits : public ::testing::Test {
 protected:
  // Threads that wait for one another take minutes where other tests run beside them.
  Digits() { ::setenv("OMP_NUM_THREADS", "1", 1); }
  [[nodiscard]] pid_t start(const char* out) const {
    return lamina::testing::start_program(LAMINA_DIGITS, directory_.path(), {out});
  }
  /// How many epochs the log has.
  [[nodiscard]] std::int64_t epochs() const {
    const std::string log = file_content(directory_ / "out/log.csv");
    return std::max<std::int64_t>(std::count(log.begin(), log.end(), '\n') - 1, 0);
  }
  /// Kills a run soon after the log has so many.
  void kill_after(std::int64_t wanted) {
    const pid_t run = start("out");
    const auto until = std::chrono::steady_clock::now() + 120s;
    while (epochs() < wanted && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(1ms);
    }
    std::this_thread::sleep_for(1ms * static_cast<int>(random_() % 200));
    ::kill(run, SIGKILL);
    const Outcome outcome = finish_program(directory_.path(), run);
    ASSERT_EQ(outcome.status, 128 + SIGKILL) << outcome.err;
  }
  std::mt19937 random_{lamina::test::fresh_seed()};
  lamina::testing::TemporaryDirectory directory_;
};

TEST_F(Digits, AreRecognisedHoweverOftenItIsKilled) {
  kill_after(2 + static_cast<std::int64_t>(random_() % 6));
  kill_after(12 + static_cast<std::int64_t>(random_() % 6));
  const Outcome last = finish_program(directory_.path(), start("out"));
  ASSERT_EQ(last.status, 0) << last.out << last.err;
  EXPECT_THAT(last.err, Not(HasSubstr("Epoch 1/30")));
  std::smatch accuracy;
  ASSERT_TRUE(std::regex_search(last.out, accuracy, std::regex("([0-9.]+) % of 359 digits")))
      << last.out;
  EXPECT_GE(std::stod(accuracy[1]), 98.0);
  // Log and picture have all epochs, those before the kills too, and are those of a run that was
  // left alone.
  ASSERT_EQ(finish_program(directory_.path(), start("whole")).status, 0);
  EXPECT_EQ(epochs(), 30);
  for (const std::string name : {"/log.csv", "/loss.svg"}) {
    EXPECT_EQ(file_content(directory_ / ("out" + name)),
              file_content(directory_ / ("whole" + name)));
  }
  EXPECT_TRUE(std::filesystem::exists(directory_ / "out/digits.weights.h5"));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "out/backup"));
}

}  // namespace

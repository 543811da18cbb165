// A run that is really killed, again and again, while its checkpoints are written in the
// background.
#include <signal.h>

#include <chrono>
#include <iostream>
#include <map>
#include <thread>

#include "tests/cli/train_scene.h"
#include "tests/fakes/event_reader.h"

using namespace lamina;
using lamina::testing::file_content;
using lamina::testing::finish_program;
using lamina::testing::Outcome;
using lamina::testing::Train;
using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

namespace {

constexpr int kKills = 50;

class KilledTrain : public Train {
 protected:
  static std::vector<std::string> checkpointed() {
    return {"--epochs",
            "40",
            "--checkpoint-dir",
            "c",
            "--resume",
            "--history",
            "steps.csv",
            "--checkpoint-every",
            "1",
            "--max-to-keep",
            "2",
            "--tensorboard",
            "logs",
            "--weights-out",
            "end.weights.h5"};
  }
  [[nodiscard]] pid_t start() const {
    return lamina::testing::start_lamina(directory_.path(), with(checkpointed()));
  }
  void clear() const {
    for (const char* left : {"c", "steps.csv", "logs", "end.weights.h5"}) {
      fs::remove_all(directory_ / left);
    }
  }
  /// Checkpoints that were begun and not finished.
  [[nodiscard]] bool unfinished() const {
    if (!fs::exists(directory_ / "c")) return false;
    for (const auto& entry : fs::directory_iterator(directory_ / "c")) {
      if (entry.path().filename().string().starts_with(".")) return true;
    }
    return false;
  }
  /// What a whole run leaves, whatever happened on the way.
  void expect_undisturbed(const std::string& steps) const {
    const Outcome same = lamina::testing::run_lamina(
        directory_.path(), {"diff", "whole.weights.h5", "end.weights.h5"});
    EXPECT_EQ(same.status, 0) << same.out << same.err;
    EXPECT_EQ(file_content(directory_ / "steps.csv"), steps);
    EXPECT_EQ(losses(), whole_losses_);
  }
  /// Of each epoch, from all event files: whatever was killed, each is sound, and where several
  /// have an epoch, they agree.
  [[nodiscard]] std::map<std::int64_t, float> losses() const {
    std::map<std::int64_t, float> losses;
    if (!fs::exists(directory_ / "logs/train")) return losses;
    for (const auto& file : lamina::testing::event_files(directory_ / "logs/train")) {
      // A run that is killed before it has written anything leaves an empty file.
      for (const auto& scalar : lamina::testing::read_event_file(file)) {
        if (scalar.tag != "epoch_loss") continue;
        const auto [at, added] = losses.emplace(scalar.step, scalar.value);
        EXPECT_EQ(at->second, scalar.value) << file << " has another loss of epoch " << at->first;
      }
    }
    return losses;
  }
  std::map<std::int64_t, float> whole_losses_;
};

TEST_F(KilledTrain, AtRandomMomentsEndsWithTheBitsOfAnUndisturbedRun) {
  const auto begin = Clock::now();
  const Outcome undisturbed = finish_program(directory_.path(), start());
  ASSERT_EQ(undisturbed.status, 0) << undisturbed.err;
  const auto window = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
  const std::string steps = file_content(directory_ / "steps.csv");
  ASSERT_FALSE(steps.empty());
  whole_losses_ = losses();
  ASSERT_EQ(whole_losses_.size(), 40U);
  fs::rename(directory_ / "end.weights.h5", directory_ / "whole.weights.h5");
  clear();

  int within_a_save = 0, whole = 0;
  for (int kills = 0; kills < kKills;) {
    const pid_t run = start();
    std::this_thread::sleep_for(window * static_cast<int>(random_() % 1000) / 2000);
    ::kill(run, SIGKILL);
    const Outcome outcome = finish_program(directory_.path(), run);
    if (outcome.status == 0) {  // it was faster
      expect_undisturbed(steps);
      clear();
      ++whole;
      continue;
    }
    ASSERT_EQ(outcome.status, 128 + SIGKILL) << outcome.err;
    within_a_save += unfinished() ? 1 : 0;
    ++kills;
  }
  const Outcome last = finish_program(directory_.path(), start());
  ASSERT_EQ(last.status, 0) << last.err;
  expect_undisturbed(steps);
  EXPECT_FALSE(unfinished());
  // Every step is saved, and the next save waits for the last: most of the time is spent in one.
  EXPECT_GE(within_a_save, 10);
  std::cout << kKills << " kills, " << within_a_save << " within a save; " << whole + 1
            << " runs went to their end\n";
}

}  // namespace

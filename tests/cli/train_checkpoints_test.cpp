// The checkpoints of lamina train: going on from them, and what is left when a run fails.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/cli/train_scene.h"
#include "tests/fakes/event_reader.h"
#include "tests/fakes/file_size_limit.h"

using namespace lamina;
using lamina::testing::file_content;
using lamina::testing::Outcome;
using lamina::testing::run_lamina;
using lamina::testing::Train;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

class TrainCheckpoints : public Train {
 protected:
  [[nodiscard]] std::vector<std::string> entries() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ / "c")) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  [[nodiscard]] std::filesystem::path checkpoint(int step) const {
    return directory_ / fmt::format("c/step_{:08}/model.weights.h5", step);
  }
  void expect_sound(int step) {
    const Outcome run = run_lamina(directory_.path(), {"verify", checkpoint(step).string()});
    EXPECT_EQ(run.status, 0) << run.out << run.err;
  }
};

TEST_F(TrainCheckpoints, GoesOnToTheSameBits) {
  (void)trained({"--epochs", "4", "--history", "whole.csv", "--weights-out", "whole.weights.h5"});
  const std::vector<std::string> checkpoints = {"--checkpoint-dir",
                                                "c",
                                                "--checkpoint-every",
                                                "3",
                                                "--max-to-keep",
                                                "2",
                                                "--history",
                                                "parts.csv",
                                                "--weights-out",
                                                "parts.weights.h5",
                                                "--resume"};
  const auto run = [&](const char* epochs) {
    std::vector<std::string> arguments = checkpoints;
    arguments.insert(arguments.end(), {"--epochs", epochs});
    (void)trained(arguments);
  };
  run("2");  // 8 steps: checkpoints of 3 and 6, and of the end
  EXPECT_THAT(entries(), ElementsAre("step_00000006", "step_00000008"));
  std::filesystem::remove_all(directory_ / "c/step_00000008");  // as if it had been killed before
  std::ofstream(directory_ / "parts.csv", std::ios::app) << "9,3,0.";  // a crash tore the line
  run("4");
  EXPECT_EQ(file_content(directory_ / "whole.csv"), file_content(directory_ / "parts.csv"));
  expect_equal("whole.weights.h5", "parts.weights.h5");
  EXPECT_THAT(entries(), ElementsAre("step_00000015", "step_00000016"));
}

TEST_F(TrainCheckpoints, HoldTheEndOfTheRun) {
  const std::vector<std::string> run = {"--epochs",  "2",    "--checkpoint-dir", "c", "--resume",
                                        "--history", "h.csv"};
  const auto with_weights = [&](const char* name) {
    std::vector<std::string> arguments = run;
    arguments.insert(arguments.end(), {"--weights-out", name});
    return arguments;
  };
  (void)trained(with_weights("a.weights.h5"));
  EXPECT_THAT(entries(), ElementsAre("step_00000008"));
  const std::string history = file_content(directory_ / "h.csv");
  const std::string saved = file_content(checkpoint(8));
  // A run that is over trains nothing, and saves nothing but what it is asked for.
  EXPECT_EQ(trained(with_weights("b.weights.h5")).err, "");
  expect_equal("a.weights.h5", "b.weights.h5");
  EXPECT_EQ(file_content(directory_ / "h.csv"), history);
  EXPECT_EQ(file_content(checkpoint(8)), saved);
}

TEST_F(TrainCheckpoints, OfTheEndAreGoneOnFromByMoreEpochs) {
  // With averages, which take the weights' place when training ends.
  const std::string optimizer = "Adam:learning_rate=0.01,use_ema=true";
  (void)trained({"--optimizer", optimizer, "--epochs", "3", "--weights-out", "whole.weights.h5"});
  for (const char* epochs : {"1", "2", "3"}) {
    (void)trained({"--optimizer", optimizer, "--epochs", epochs, "--checkpoint-dir", "c",
                   "--resume", "--weights-out", "parts.weights.h5"});
  }
  expect_equal("whole.weights.h5", "parts.weights.h5");
}

TEST_F(TrainCheckpoints, NeedNoHistoryToBeGoneOnFrom) {
  (void)trained({"--epochs", "2", "--weights-out", "whole.weights.h5"});
  (void)trained({"--epochs", "1", "--checkpoint-dir", "c", "--history", "h.csv"});
  (void)trained(
      {"--epochs", "2", "--checkpoint-dir", "c", "--resume", "--weights-out", "parts.weights.h5"});
  expect_equal("whole.weights.h5", "parts.weights.h5");
}

TEST_F(TrainCheckpoints, NeedNoTensorBoardToBeGoneOnFrom) {
  (void)trained({"--epochs", "2", "--weights-out", "whole.weights.h5"});
  (void)trained({"--epochs", "1", "--checkpoint-dir", "c"});
  (void)trained({"--epochs", "2", "--checkpoint-dir", "c", "--resume", "--tensorboard", "logs",
                 "--weights-out", "parts.weights.h5"});
  expect_equal("whole.weights.h5", "parts.weights.h5");
  const auto files = lamina::testing::event_files(directory_ / "logs/train");
  ASSERT_EQ(files.size(), 1U);
  for (const auto& scalar : lamina::testing::read_event_file(files[0])) EXPECT_EQ(scalar.step, 1);
}

TEST_F(TrainCheckpoints, OfAnotherRunAreLeftAlone) {
  (void)trained({"--epochs", "2", "--checkpoint-dir", "c"});
  const std::string saved = file_content(checkpoint(8));
  EXPECT_THAT(refusal({"--epochs", "1", "--checkpoint-dir", "c", "--checkpoint-every", "1",
                       "--max-to-keep", "1", "--history", "h.csv"}),
              AllOf(HasSubstr("'c'"), HasSubstr("step 8"), HasSubstr("--resume"),
                    HasSubstr("another --checkpoint-dir"), Not(HasSubstr("Epoch"))));
  EXPECT_THAT(entries(), ElementsAre("step_00000008"));
  EXPECT_EQ(file_content(checkpoint(8)), saved);
  EXPECT_FALSE(exists("h.csv"));
}

TEST_F(TrainCheckpoints, ThatAreDamagedAreSkipped) {
  (void)trained({"--epochs", "4", "--history", "whole.csv", "--weights-out", "whole.weights.h5"});
  const auto run = [&](const char* epochs) {
    return with({"--epochs", epochs, "--checkpoint-dir", "c", "--checkpoint-every", "3",
                 "--history", "parts.csv", "--weights-out", "parts.weights.h5", "--resume"});
  };
  ASSERT_EQ(run_lamina(directory_.path(), run("2")).status, 0);
  EXPECT_THAT(entries(), ElementsAre("step_00000003", "step_00000006", "step_00000008"));
  std::filesystem::resize_file(checkpoint(8), 1000);
  // Of the other only where the run was: seed, epoch, batch, samples, samples a batch.
  std::string bytes = file_content(checkpoint(6));
  const std::int64_t progress[] = {3, 1, 2, 60, 16};
  const std::size_t place =
      bytes.find(std::string_view(reinterpret_cast<const char*>(progress), sizeof(progress)));
  ASSERT_NE(place, bytes.npos);
  bytes[place + sizeof(std::int64_t)] = 0;
  std::ofstream(checkpoint(6), std::ios::binary) << bytes;

  const Outcome resumed = run_lamina(directory_.path(), run("4"));
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_THAT(resumed.err, AllOf(HasSubstr("warning: The checkpoint of step 8 was skipped: "),
                                 HasSubstr("warning: The checkpoint of step 6 was skipped: "),
                                 Not(HasSubstr("step 3"))));
  expect_equal("whole.weights.h5", "parts.weights.h5");
  EXPECT_EQ(file_content(directory_ / "whole.csv"), file_content(directory_ / "parts.csv"));

  for (const std::string& name : entries()) {
    std::filesystem::resize_file(directory_ / "c" / name / "model.weights.h5", 1000);
  }
  const Outcome none = run_lamina(directory_.path(), run("5"));
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.err, HasSubstr("error: There is no checkpoint to go on from: each is damaged, "
                                  "the newest of them 'c/step_00000016/model.weights.h5'"));
}

TEST_F(TrainCheckpoints, AreKeptFromALossThatIsNotANumber) {
  Tensor x = read_npy(directory_ / "x.npy");
  x.data<float>()[40 * 4] = std::numeric_limits<float>::quiet_NaN();  // of the third batch
  write_npy(directory_ / "x.npy", x);
  const std::string error =
      refusal({"--no-shuffle", "--epochs", "3", "--checkpoint-dir", "c", "--checkpoint-every", "1",
               "--max-to-keep", "1", "--history", "h.csv", "--weights-out", "w.weights.h5"});
  EXPECT_THAT(error, AllOf(HasSubstr("Step 3 (epoch 1): the loss"), HasSubstr("is NaN or infinite"),
                           HasSubstr("newest checkpoint is 'c/step_00000002/model.weights.h5'")));
  EXPECT_THAT(entries(), ElementsAre("step_00000002"));
  expect_sound(2);
  EXPECT_FALSE(exists("w.weights.h5"));
  const std::string history = file_content(directory_ / "h.csv");
  EXPECT_EQ(std::count(history.begin(), history.end(), '\n'), 4);  // names, and three steps
  EXPECT_THAT(history, HasSubstr("\n3,1,nan,"));

  x.data<float>()[40 * 4] = std::numeric_limits<float>::infinity();
  write_npy(directory_ / "x.npy", x);
  EXPECT_THAT(refusal({"--no-shuffle", "--weights-out", "w.weights.h5"}),
              AllOf(HasSubstr("Step 3 (epoch 1)"), HasSubstr("There is no checkpoint.")));
  EXPECT_FALSE(exists("w.weights.h5"));
}

TEST_F(TrainCheckpoints, StayWhereTheDiskIsFull) {
  const auto run = [&](const char* epochs) {
    return std::vector<std::string>{
        "--epochs",           epochs, "--checkpoint-dir", "c", "--resume",
        "--checkpoint-every", "1",    "--max-to-keep",    "1", "--weights-out",
        "w.weights.h5"};
  };
  (void)trained(run("1"));
  std::filesystem::remove(directory_ / "w.weights.h5");
  {
    const lamina::testing::FileSizeLimit full(1000);
    EXPECT_THAT(refusal(run("3")), AllOf(HasSubstr("/c/"), HasSubstr("File too large")));
  }
  EXPECT_THAT(entries(), ElementsAre("step_00000004"));
  expect_sound(4);
  EXPECT_FALSE(exists("w.weights.h5"));
  (void)trained(run("3"));  // with room again, all is well
  EXPECT_THAT(entries(), ElementsAre("step_00000012"));
}

}  // namespace

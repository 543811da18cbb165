// lamina train, from the shell's side.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lamina/layers.h>
#include <lamina/model.h>

#include <fstream>
#include <random>

#include "tests/cli/train_scene.h"

using namespace lamina;
using lamina::testing::file_content;
using lamina::testing::Outcome;
using lamina::testing::run_lamina;
using lamina::testing::Train;
using ::testing::HasSubstr;

namespace {

TEST_F(Train, WritesWeightsAndALineAStep) {
  const Outcome run = train({"--epochs", "3", "--metric", "accuracy", "--history", "h.csv",
                             "--weights-out", "w.weights.h5"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("Epoch 3/3"));
  const std::string history = file_content(directory_ / "h.csv");
  EXPECT_THAT(history, HasSubstr("step,epoch,loss,accuracy,learning_rate\n1,1,"));
  EXPECT_THAT(history, HasSubstr("\n12,3,"));
  EXPECT_EQ(std::count(history.begin(), history.end(), '\n'), 13);
  EXPECT_TRUE(std::filesystem::exists(directory_ / "w.weights.h5"));
}

TEST_F(Train, GoesOnToTheSameBits) {
  ASSERT_EQ(train({"--epochs", "4", "--history", "whole.csv", "--weights-out", "whole.weights.h5"})
                .status,
            0);
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
    const Outcome outcome = train(arguments);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
  };
  run("2");  // 8 steps: checkpoints of 3 and 6
  EXPECT_TRUE(std::filesystem::exists(directory_ / "c/step_00000006/model.weights.h5"));
  std::ofstream(directory_ / "parts.csv", std::ios::app) << "9,3,0.";  // a crash tore the line
  run("4");
  EXPECT_EQ(file_content(directory_ / "whole.csv"), file_content(directory_ / "parts.csv"));
  const Outcome same =
      run_lamina(directory_.path(), {"diff", "whole.weights.h5", "parts.weights.h5"});
  EXPECT_EQ(same.status, 0) << same.out << same.err;
  EXPECT_FALSE(std::filesystem::exists(directory_ / "c/step_00000006/model.weights.h5"));
}

TEST_F(Train, SaysWhatIsWrongOnOneLine) {
  const auto refusal = [&](std::vector<std::string> more) {
    const Outcome run = train(std::move(more));
    EXPECT_EQ(run.status, 2) << run.err;
    return run.err;
  };
  EXPECT_THAT(refusal({"--resume"}), HasSubstr("--resume needs --checkpoint-dir"));
  EXPECT_THAT(refusal({"--validation-data", "x.npy"}), HasSubstr("belong together"));
  EXPECT_THAT(refusal({"--metric", "nonsense"}), HasSubstr("There is no metric 'nonsense'"));
  EXPECT_THAT(refusal({"--device", "cuda:99"}), HasSubstr("cuda:99"));
  EXPECT_THAT(refusal({"--history", "none/h.csv"}), HasSubstr("none/h.csv"));
  EXPECT_THAT(refusal({"--validation-data", "none.h5:x", "--validation-labels", "y.npy"}),
              HasSubstr("none.h5"));
  std::ofstream(directory_ / "some.h5") << "not HDF5";
  EXPECT_THAT(refusal({"--validation-data", "some.h5", "--validation-labels", "y.npy"}),
              HasSubstr("which dataset? Write some.h5:NAME"));
  EXPECT_THAT(refusal({"--validation-data", "some.h5:x", "--validation-labels", "y.npy"}),
              HasSubstr("some.h5"));
}

}  // namespace

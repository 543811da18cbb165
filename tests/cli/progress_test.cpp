// The bars of what takes long. A save waits for its checkpoint's lock, and so does who opens a
// checkpoint whose save died: while a test holds it, either is as slow as a slow disk would make
// it.
#include <gmock/gmock.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <random>
#include <thread>

#include "checkpoint/checkpoint.h"
#include "checkpoint/commit/hidden_names.h"
#include "checkpoint/commit/recovery_record.h"
#include "storage/storage.h"
#include "tests/checkpoint/trees.h"
#include "tests/cli/binary.h"
#include "tests/cli/train_scene.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

using namespace lamina;
using namespace std::chrono_literals;
using lamina::testing::Outcome;
using lamina::testing::random_tensor;
using lamina::testing::TreeBuilder;
using ::testing::ContainsRegex;

namespace {

/// The line with which a bar ends where there is no terminal: bytes, bytes a second, time.
std::string ended(const std::string& title) {
  const std::string size = "[0-9]+\\.[0-9][0-9] [KMGTP]?B";
  return title + "  \\[=+\\] 100%  " + size + " of " + size + "  " + size + "/s  [0-9]+s\n";
}

class ProgressBars : public ::testing::Test {
 protected:
  ProgressBars() {
    TreeBuilder builder;
    builder.layer("layers/a", "a", {random_tensor(random_, {300, 7}, DType::kFloat32)});
    builder.layer("layers/b", "b", {random_tensor(random_, {300, 7}, DType::kFloat32)});
    checkpoint::SaveRequest request;
    request.max_shard_size = 8400.0 / (1 << 30);  // of one layer
    checkpoint::save(builder.tree, directory_ / "w.weights.json", request);
  }

  /// What the command wrote to standard error when `locked` was held for long enough that its bar
  /// `title` was drawn: it may start late where other programs run. `before` goes before each try.
  std::string slowed(
      const std::string& title, const std::string& locked,
      const std::vector<std::string>& arguments, const std::function<void()>& before = [] {}) {
    std::string errors;
    for (std::chrono::milliseconds held = 800ms; held < 15s; held *= 2) {
      before();
      auto lock =
          storage::posix().try_lock(checkpoint::CheckpointPlace(directory_ / locked).lock());
      EXPECT_NE(lock, nullptr);
      const pid_t command = lamina::testing::start_lamina(directory_.path(), arguments);
      std::this_thread::sleep_for(held);
      lock.reset();
      const Outcome run = lamina::testing::finish_program(directory_.path(), command);
      EXPECT_EQ(run.status, 0) << run.err;
      errors = run.err;
      if (errors.find(title + "  [") != errors.npos) break;
    }
    return errors;
  }

  std::mt19937 random_{lamina::test::fresh_seed()};
  lamina::testing::TemporaryDirectory directory_;
};

TEST_F(ProgressBars, OfInitShowBytesASecond) {
  const std::string model = std::string(LAMINA_SOURCE_DIR) + "/tests/models/data/cnn.json";
  EXPECT_THAT(slowed("save", "i.weights.h5", {"init", model, "--weights", "i.weights.h5"}),
              ContainsRegex(ended("save")));
}

TEST_F(ProgressBars, OfReshardShowBytesASecond) {
  EXPECT_THAT(slowed("save", "r.weights.h5", {"reshard", "w.weights.json", "r.weights.h5"}),
              ContainsRegex(ended("save")));
}

TEST_F(ProgressBars, OfTrainShowBytesASecond) {
  std::ofstream(directory_ / "model.json") << lamina::testing::kTrainedModel;
  write_npy(directory_ / "x.npy", Tensor::zeros({8, 4}));
  write_npy(directory_ / "y.npy", Tensor::zeros({8}, DType::kInt64));
  EXPECT_THAT(slowed("save", "t.weights.h5",
                     {"train", "model.json", "--data", "x.npy", "--labels", "y.npy", "--loss",
                      "SparseCategoricalCrossentropy", "--weights-out", "t.weights.h5"}),
              ContainsRegex(ended("save")));
}

TEST_F(ProgressBars, OfVerifyShowBytesASecond) {
  // A save that died with its files in place: who opens the checkpoint wants the lock, to end it.
  const auto leave_record = [&] {
    std::ofstream(directory_ / ".w.weights.json.recovery") << checkpoint::record_text(
        {checkpoint::make_save_name(), checkpoint::HiddenCopy::kNew, {"w.weights.json"}, {}},
        "w.weights.json");
  };
  EXPECT_THAT(slowed("verify", "w.weights.json", {"verify", "w.weights.json"}, leave_record),
              ContainsRegex(ended("verify")));
}

}  // namespace

#pragma once
#include <gtest/gtest.h>
#include <lamina/model.h>
#include <lamina/npy.h>
#include <lamina/training.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "tests/cli/binary.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::testing {

inline constexpr const char* kTrainedModel = R"({"module": "keras", "class_name": "Sequential",
"config": {"name": "s", "layers": [
  {"module": "keras.layers", "class_name": "InputLayer",
   "config": {"batch_shape": [null, 4], "dtype": "float32", "name": "i"}},
  {"module": "keras.layers", "class_name": "Dense",
   "config": {"name": "a", "units": 8, "activation": "relu"}},
  {"module": "keras.layers", "class_name": "Dropout", "config": {"name": "d", "rate": 0.25}},
  {"module": "keras.layers", "class_name": "Dense",
   "config": {"name": "b", "units": 3, "activation": "softmax"}}]}})";

/// A small model and data, and `lamina train` on them.
class Train : public ::testing::Test {
 protected:
  Train() {
    std::ofstream(directory_ / "model.json") << kTrainedModel;
    Tensor x = Tensor::empty({60, 4}), y = Tensor::empty({60}, DType::kInt64);
    for (float& v : x.data<float>()) v = static_cast<float>(random_() % 1000) / 1000;
    for (std::int64_t& v : y.data<std::int64_t>()) v = static_cast<std::int64_t>(random_() % 3);
    write_npy(directory_ / "x.npy", x);
    write_npy(directory_ / "y.npy", y);
  }
  /// What the small model is trained with; an option among `more` takes the place of this one's.
  static std::vector<std::string> with(const std::vector<std::string>& more) {
    const std::pair<const char*, const char*> defaults[] = {
        {"--data", "x.npy"},
        {"--labels", "y.npy"},
        {"--loss", "SparseCategoricalCrossentropy"},
        {"--optimizer", "Adam:learning_rate=0.01"},
        {"--batch-size", "16"},
        {"--seed", "3"}};
    std::vector<std::string> all = {"train", "model.json"};
    for (const auto& [option, value] : defaults) {
      if (std::find(more.begin(), more.end(), option) != more.end()) continue;
      all.insert(all.end(), {option, value});
    }
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Outcome train(const std::vector<std::string>& more) {
    return run_lamina(directory_.path(), with(more));
  }
  /// As `train`, of a run that should succeed.
  Outcome trained(const std::vector<std::string>& more) {
    Outcome run = train(more);
    EXPECT_EQ(run.status, 0) << run.err;
    return run;
  }
  /// The error of a run that should fail: one line, the last.
  std::string refusal(const std::vector<std::string>& more) {
    const Outcome run = train(more);
    EXPECT_EQ(run.status, 2) << run.err;
    const std::size_t error = run.err.find("lamina: error: ");
    EXPECT_NE(error, std::string::npos) << run.err;
    EXPECT_EQ(run.err.find('\n', error), run.err.size() - 1) << run.err;
    return run.err;
  }
  void expect_equal(const char* a, const char* b) {
    const Outcome same = run_lamina(directory_.path(), {"diff", a, b});
    EXPECT_EQ(same.status, 0) << same.out << same.err;
  }
  [[nodiscard]] bool exists(const std::string& name) const {
    return std::filesystem::exists(directory_ / name);
  }
  std::mt19937 random_{lamina::test::fresh_seed()};
  TemporaryDirectory directory_;
};

}  // namespace lamina::testing

// What init, reshard and summary make of a MODEL that was compiled, from the shell's side.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lamina/lamina.h>

#include <nlohmann/json.hpp>

#include "models/keras/compile_config.h"
#include "tests/cli/train_scene.h"

using namespace lamina;
using lamina::testing::Outcome;
using lamina::testing::run_lamina;
using lamina::testing::Train;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

/// "m.keras", compiled and trained for 8 steps, and "c.json", its configuration.
class CompiledModels : public Train {
 protected:
  CompiledModels() {
    const ModelPtr model = Model::from_json(directory_ / "model.json");
    model->compile({.optimizer = optimizers::Adam({.learning_rate = 0.01}),
                    .loss = losses::SparseCategoricalCrossentropy(),
                    .metrics = {"accuracy"}});
    config_ = models::compile_config_of(*model);
    (void)model->fit(read_npy(directory_ / "x.npy"), read_npy(directory_ / "y.npy"),
                     {.batch_size = 16, .epochs = 2, .verbose = Verbose::kSilent, .seed = 3});
    model->save(directory_ / "m.keras");
    std::ofstream(directory_ / "c.json") << model->to_json();
  }
  void succeeds(const std::vector<std::string>& arguments) {
    const Outcome run = run_lamina(directory_.path(), arguments);
    ASSERT_EQ(run.status, 0) << run.out << run.err;
  }
  /// The archive's model is compiled as "m.keras" is, and its optimizer has made so many steps.
  void expect_compiled(const std::string& archive, std::int64_t steps) {
    const ModelPtr model = Model::load(directory_ / archive);
    ASSERT_TRUE(model->optimizer()) << archive;
    EXPECT_EQ(models::compile_config_of(*model), config_) << archive;
    EXPECT_EQ(model->optimizer()->steps(), steps) << archive;
  }
  std::string inspected(const std::string& file) {
    return run_lamina(directory_.path(), {"inspect", file}).out;
  }

  json config_;
};

TEST_F(CompiledModels, InitOfAnArchiveKeepsHowTheModelWasCompiled) {
  for (const char* model : {"m.keras", "c.json"}) {
    succeeds({"init", model, "--weights", "fresh.keras", "--seed", "4"});
    expect_compiled("fresh.keras", 0);
    succeeds({"init", model, "--weights", "fresh.weights.h5", "--seed", "4"});
    EXPECT_THAT(inspected("fresh.weights.h5"), Not(HasSubstr("/optimizer/")));
  }
}

TEST_F(CompiledModels, ReshardTakesTheOptimizerAlong) {
  for (const char* model : {"m.keras", "c.json"}) {
    succeeds({"reshard", "m.keras", "again.keras", "--model", model});
    expect_equal("m.keras", "again.keras");
    expect_compiled("again.keras", 8);
    succeeds({"reshard", "m.keras", "again.weights.h5", "--model", model});
    expect_equal("m.keras", "again.weights.h5");
    succeeds({"reshard", "again.weights.h5", "back.keras", "--model", model});
    expect_equal("m.keras", "back.keras");
    expect_compiled("back.keras", 8);
  }
}

// An optimizer's state belongs to the weights that it was trained with.
TEST_F(CompiledModels, ReshardOfOtherWeightsLeavesTheModelsStateBehind) {
  succeeds({"init", "model.json", "--weights", "p.weights.h5", "--seed", "9"});
  succeeds({"reshard", "p.weights.h5", "p.keras", "--model", "m.keras"});
  expect_compiled("p.keras", 0);
  Model::load(directory_ / "p.keras", {.compile = false})
      ->save_weights(directory_ / "q.weights.h5");
  expect_equal("p.weights.h5", "q.weights.h5");
  succeeds({"reshard", "p.weights.h5", "r.weights.h5", "--model", "m.keras"});
  expect_equal("p.weights.h5", "r.weights.h5");
}

TEST_F(CompiledModels, ReshardIntoAModelThatIsNotCompiledSaysWhatItLeaves) {
  const Outcome run =
      run_lamina(directory_.path(), {"reshard", "m.keras", "a.keras", "--model", "model.json"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("/optimizer"));
}

// The optimizer is left in the archive because the command asks for that.
TEST_F(CompiledModels, ThatAreNotTrainedSayNothingOfTheOptimizer) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"predict", "m.keras", "--input", "x.npy", "--output", "p.npy"},
        std::vector<std::string>{"init", "m.keras", "--weights", "fresh.weights.h5"},
        std::vector<std::string>{"summary", "m.keras"}}) {
    const Outcome run = run_lamina(directory_.path(), arguments);
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_THAT(run.err, Not(HasSubstr("optimizer"))) << arguments[0];
  }
}

TEST_F(CompiledModels, SummaryPrintsHowTheModelWasCompiled) {
  for (const char* model : {"m.keras", "c.json"}) {
    const Outcome run = run_lamina(directory_.path(), {"summary", model, "--json"});
    EXPECT_EQ(json::parse(run.out).at("compile_config"), config_) << run.err;
  }
}

}  // namespace

// lamina train of a model that was compiled, from the shell's side: what it goes on with, and what
// words take the place of.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lamina/lamina.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "models/keras/compile_config.h"
#include "tests/cli/train_scene.h"

using namespace lamina;
using lamina::testing::file_content;
using lamina::testing::Outcome;
using lamina::testing::run_lamina;
using lamina::testing::Train;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

constexpr const char* kLogits = "SparseCategoricalCrossentropy:from_logits=true";

class TrainCompiled : public Train {
 protected:
  /// Trained for 8 steps, and saved as "m.keras".
  TrainCompiled() {
    set_random_seed(5);
    const ModelPtr model = Model::from_json(directory_ / "model.json");
    model->compile({.optimizer = optimizers::Adam({.learning_rate = 0.01}),
                    .loss = losses::SparseCategoricalCrossentropy(),
                    .metrics = {"accuracy"}});
    compiled_ = models::compile_config_of(*model);
    fit(*model);
    model->save(directory_ / "m.keras");
  }
  void fit(Model& model) {
    (void)model.fit(x_, y_,
                    {.batch_size = 16, .epochs = 2, .verbose = Verbose::kSilent, .seed = 3});
  }
  /// "m.keras" after `change`, trained by the library as the command does, to "hand.weights.h5".
  void by_hand(const std::function<void(Model&)>& change = [](Model&) {}) {
    set_random_seed(3);
    const ModelPtr model = Model::load(directory_ / "m.keras");
    change(*model);
    fit(*model);
    model->save_weights(directory_ / "hand.weights.h5");
  }
  Outcome run(const std::string& model, const std::vector<std::string>& more) {
    std::vector<std::string> all = {"train",        model,  "--data", "x.npy", "--labels", "y.npy",
                                    "--batch-size", "16",   "--seed", "3",     "--epochs", "2",
                                    "--history",    "h.csv"};
    all.insert(all.end(), more.begin(), more.end());
    return run_lamina(directory_.path(), all);
  }
  /// What a run that should succeed says; it writes "w.weights.h5" and "h.csv".
  std::string trains(const std::string& model, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--weights-out", "w.weights.h5"});
    const Outcome outcome = run(model, more);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.err;
  }
  std::string history() const { return file_content(directory_ / "h.csv"); }
  /// model.json with this `compile_config`, as "c.json".
  void write_json(const json& compiled) const {
    json config = json::parse(lamina::testing::kTrainedModel);
    config["compile_config"] = compiled;
    std::ofstream(directory_ / "c.json") << config;
  }

  const Tensor x_ = read_npy(directory_ / "x.npy"), y_ = read_npy(directory_ / "y.npy");
  json compiled_;
};

TEST_F(TrainCompiled, GoesOnAsTheArchiveSays) {
  EXPECT_THAT(trains("m.keras"),
              HasSubstr("goes on as 'm.keras' has it: step 8, learning rate 0.01."));
  EXPECT_THAT(history(), HasSubstr("step,epoch,loss,accuracy,learning_rate\n9,1,"));
  by_hand();
  expect_equal("w.weights.h5", "hand.weights.h5");
}

TEST_F(TrainCompiled, OfALossThatIsGivenTakesThatAlone) {
  EXPECT_THAT(trains("m.keras", {"--loss", kLogits}), HasSubstr("goes on as 'm.keras' has it"));
  EXPECT_THAT(history(), HasSubstr("step,epoch,loss,accuracy,learning_rate\n9,1,"));
  by_hand([](Model& model) {
    model.compile({.optimizer = model.optimizer(),
                   .loss = losses::SparseCategoricalCrossentropy({.from_logits = true})});
  });
  expect_equal("w.weights.h5", "hand.weights.h5");
  EXPECT_EQ(trains("m.keras").find("error"), std::string::npos);
  EXPECT_EQ(run_lamina(directory_.path(), {"diff", "w.weights.h5", "hand.weights.h5"}).status, 1);
}

TEST_F(TrainCompiled, OfMetricsThatAreGivenShowsThose) {
  (void)trains("m.keras", {"--metric", "SparseTopKCategoricalAccuracy:k=3,name=top"});
  EXPECT_THAT(history(), HasSubstr("step,epoch,loss,top,learning_rate\n9,1,"));
  by_hand();
  expect_equal("w.weights.h5", "hand.weights.h5");
}

TEST_F(TrainCompiled, OfAnOptimizerThatIsGivenBeginsAfresh) {
  EXPECT_THAT(trains("m.keras", {"--optimizer", "Adam:learning_rate=0.5"}),
              AllOf(HasSubstr("begins afresh: 'm.keras' was trained by Adam"),
                    Not(HasSubstr("goes on as"))));
  EXPECT_THAT(history(), AllOf(HasSubstr("accuracy,learning_rate\n1,1,"), HasSubstr(",0.5\n2,1,")));
  by_hand([](Model& model) {
    model.compile({.optimizer = optimizers::Adam({.learning_rate = 0.5}),
                   .loss = losses::SparseCategoricalCrossentropy()});
  });
  expect_equal("w.weights.h5", "hand.weights.h5");
}

TEST_F(TrainCompiled, WithOtherWeightsBeginsWithTheStateThatTheyHave) {
  const auto fresh = [](Model& model) {
    model.compile({.optimizer = optimizers::Adam({.learning_rate = 0.01}),
                   .loss = losses::SparseCategoricalCrossentropy()});
  };
  const ModelPtr plain = Model::from_json(directory_ / "model.json");
  plain->save_weights(directory_ / "plain.weights.h5");
  EXPECT_THAT(trains("m.keras", {"--weights", "plain.weights.h5"}), Not(HasSubstr("goes on as")));
  EXPECT_THAT(history(), HasSubstr("accuracy,learning_rate\n1,1,"));
  by_hand([&](Model& model) {
    fresh(model);
    model.load_weights(directory_ / "plain.weights.h5");
  });
  expect_equal("w.weights.h5", "hand.weights.h5");

  fresh(*plain);
  fit(*plain);
  fit(*plain);
  plain->save_weights(directory_ / "trained.weights.h5");
  (void)trains("m.keras", {"--weights", "trained.weights.h5"});
  EXPECT_THAT(history(), HasSubstr("accuracy,learning_rate\n17,1,"));
}

TEST_F(TrainCompiled, DoesAsAConfigurationSays) {
  write_json(compiled_);
  EXPECT_THAT(trains("c.json"), Not(HasSubstr("The optimizer")));
  EXPECT_THAT(history(), HasSubstr("step,epoch,loss,accuracy,learning_rate\n1,1,"));
  (void)trained({"--epochs", "2", "--metric", "accuracy", "--weights-out", "words.weights.h5"});
  expect_equal("w.weights.h5", "words.weights.h5");
}

TEST_F(TrainCompiled, NeedsALossOfSomebody) {
  const auto refused = [&](const std::string& model, const std::vector<std::string>& more) {
    const Outcome outcome = run(model, more);
    EXPECT_EQ(outcome.status, 2);
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("lamina: error: --loss is required"),
                                   HasSubstr(fmt::format("'{}'", model))));
    EXPECT_FALSE(exists("h.csv"));
    return outcome.err;
  };
  (void)refused("model.json", {});
  Model::load(directory_ / "m.keras", {.compile = false})->save(directory_ / "plain.keras");
  (void)refused("plain.keras", {"--optimizer", "Adam", "--metric", "accuracy"});
  json custom = compiled_;
  custom["loss"] = {{"module", "mine"},
                    {"class_name", "Mine"},
                    {"config", json::object()},
                    {"registered_name", "mine>Mine"}};
  write_json(custom);
  EXPECT_THAT(refused("c.json", {}),
              AllOf(HasSubstr("`compile()` was not called"), HasSubstr("'Mine'")));
  (void)trains("c.json", {"--loss", "SparseCategoricalCrossentropy"});
  // Those that do not train are not compiled, and say nothing of it.
  const Outcome summary = run_lamina(directory_.path(), {"summary", "c.json"});
  EXPECT_EQ(summary.status, 0);
  EXPECT_EQ(summary.err, "");
}

}  // namespace

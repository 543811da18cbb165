// Losses, their weights and metrics by the outputs' names: Keras's dictionaries.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/training/fit_helpers.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A model with outputs "kind" and "number", and data for it; the same weights for one seed.
class ByOutput : public ::testing::Test {
 protected:
  static ModelPtr model(std::uint64_t seed = 3) {
    set_random_seed(seed);
    const auto in = layers::Input({.shape = {3}});
    return Functional::create(
        {in}, {layers::Dense({.units = 4, .activation = "softmax", .name = "kind"})(in),
               layers::Dense({.units = 1, .name = "number"})(in)});
  }
  Logs train(const ModelPtr& model) const { return model->train_on_batch(x_, y_); }
  /// The logs' names.
  std::vector<std::string> names(CompileArguments arguments) const {
    const ModelPtr compiled = model();
    compiled->compile(std::move(arguments));
    std::vector<std::string> names;
    for (const auto& [name, value] : train(compiled)) names.push_back(name);
    return names;
  }
  std::string refusal(CompileArguments arguments) const {
    return message_of([&] { (void)names(std::move(arguments)); });
  }

  Random random_;
  const std::vector<Tensor> x_ = {random_.tensor({20, 3})};
  const std::vector<Tensor> y_ = {random_.classes({20}, 4), random_.tensor({20, 1})};
};

constexpr const char* kClasses = "sparse_categorical_crossentropy";

TEST_F(ByOutput, NamesInAnyOrderAreTheListInThatOfTheOutputs) {
  const double first = random_.uniform(0.1, 2), second = random_.uniform(0.1, 2);
  const ModelPtr by_place = model(), by_name = model();
  by_place->compile({.optimizer = "sgd",
                     .loss = {kClasses, losses::Huber()},
                     .metrics = {{"acc", metrics::SparseTopKCategoricalAccuracy(2, "top")}, "mae"},
                     .loss_weights = {first, second}});
  by_name->compile(
      {.optimizer = "sgd",
       .loss = {{"number", losses::Huber()}, {"kind", kClasses}},
       .metrics = {{"number", {"mae"}},
                   {"kind", {"acc", metrics::SparseTopKCategoricalAccuracy(2, "top")}}},
       .loss_weights = {{"number", second}, {"kind", first}}});
  for (int step = 0; step < 3; ++step) {
    const Logs logs = train(by_place);
    EXPECT_EQ(train(by_name), logs);
    EXPECT_NEAR(logs.at("loss"), first * logs.at("kind_loss") + second * logs.at("number_loss"),
                1e-5);
  }
  EXPECT_TRUE(train(by_name).contains("kind_top"));
  (void)train(by_place);
  expect_same_bits(*by_place, *by_name);
}

TEST_F(ByOutput, ADictOfOutputsHasItsKeys) {
  const ModelPtr listed = model();
  nlohmann::json config = nlohmann::json::parse(listed->to_json());
  config["config"]["output_layers"] = {{"sort", {"kind", 0, 0}}, {"count", {"number", 0, 0}}};
  const auto keyed = [&] {
    const ModelPtr made = Model::from_json_text(config.dump());
    for (const char* name : {"kind", "number"}) {
      made->get_layer(name)->set_weights(listed->get_layer(name)->get_weights());
    }
    return made;
  };
  const ModelPtr by_key = keyed();
  listed->compile({.optimizer = "sgd",
                   .loss = {kClasses, "mae"},
                   .metrics = {"acc", "mse"},
                   .loss_weights = {0.5, 2.0}});
  by_key->compile({.optimizer = "sgd",
                   .loss = {{"sort", kClasses}, {"count", "mae"}},
                   .metrics = {{"count", {"mse"}}, {"sort", {"acc"}}},
                   .loss_weights = {{"sort", 0.5}, {"count", 2.0}}});
  for (int step = 0; step < 3; ++step) {
    const Logs logs = train(listed);
    const Logs expected = {{"loss", logs.at("loss")},
                           {"sort_loss", logs.at("kind_loss")},
                           {"sort_acc", logs.at("kind_acc")},
                           {"count_loss", logs.at("number_loss")},
                           {"count_mse", logs.at("number_mse")}};
    const Logs got = by_key->train_on_batch(x_, {y_[1], y_[0]});  // sorted by their keys
    ASSERT_EQ(got.size(), expected.size());
    for (const auto& [name, value] : expected) EXPECT_NEAR(got.at(name), value, 1e-5) << name;
  }
  const ModelPtr refusing = keyed();
  refusing->compile({.optimizer = "sgd", .loss = {{"kind", kClasses}, {"number", "mae"}}});
  EXPECT_THAT(message_of([&] {
                (void)refusing->train_on_batch(x_, {y_[1], y_[0]});
              }),
              HasSubstr("Expected keys ['count', 'sort'] in loss dict, but found "
                        "loss.keys()=['kind', 'number']"));
}

TEST_F(ByOutput, MetricsMayBeOfSomeOutputs) {
  EXPECT_THAT(names({.loss = {kClasses, "mse"}, .metrics = {{"number", {"mae"}}}}),
              ElementsAre("kind_loss", "loss", "number_loss", "number_mae"));
  EXPECT_THAT(
      names({.loss = {kClasses, "mse"}, .metrics = {{"number", {"mse", "mse"}}, {"kind", {}}}}),
      ElementsAre("kind_loss", "loss", "number_loss", "number_mse", "number_mse_1"));
}

TEST_F(ByOutput, TheOnlyOutputMayBeNamedAsWell) {
  const auto in = layers::Input({.shape = {3}});
  const ModelPtr model = Functional::create(in, layers::Dense({.units = 1, .name = "only"})(in));
  model->compile({.optimizer = "sgd",
                  .loss = {{"only", "mse"}},
                  .metrics = {{"only", {"mae"}}},
                  .loss_weights = {{"only", 0.5}}});
  const Logs logs = model->train_on_batch(x_[0], y_[1]);
  EXPECT_EQ(logs.size(), 2U);
  EXPECT_TRUE(logs.contains("mae"));
}

TEST_F(ByOutput, TheOnlyOutputTakesAllWhateverTheirNames) {
  const auto in = layers::Input({.shape = {3}});
  const ModelPtr model = Functional::create(in, layers::Dense({.units = 1, .name = "only"})(in));
  const auto logs = [&](CompileArguments arguments) {
    model->compile(std::move(arguments));
    return model->test_on_batch(x_[0], y_[1]);
  };
  const Logs named = logs({.loss = "mse",
                           .metrics = {{"other", {"mae"}}, {"only", {"mse", "mae"}}, "mse"},
                           .loss_weights = {{"other", 0.5}}});
  std::vector<std::string> names;
  for (const auto& [name, value] : named) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("loss", "mae", "mae_1", "mse", "mse_1"));
  EXPECT_NEAR(named.at("loss"), 0.5 * named.at("mse"), 1e-6);
  const Logs ignored = logs({.loss = {{"only", "mse"}},
                             .metrics = {"mse"},
                             .loss_weights = {{"other", 0.5}, {"only", 2.0}}});
  EXPECT_NEAR(ignored.at("loss"), 2 * ignored.at("mse"), 1e-6);
  EXPECT_THAT(message_of([&] {
                (void)logs({.loss = {{"only", "mse"}}, .loss_weights = {{"other", 0.5}}});
              }),
              HasSubstr("loss_weights.keys()=['other']"));
  EXPECT_THAT(message_of([&] {
                (void)logs({.loss = "mse", .loss_weights = {{"other", 0.5}, {"only", 2.0}}});
              }),
              HasSubstr("got 1 losses and 2 weights"));
}

TEST_F(ByOutput, LossesAreOfExactlyTheOutputs) {
  EXPECT_THAT(refusal({.loss = {{"kind", kClasses}, {"nummer", "mse"}}}),
              HasSubstr("Expected keys ['kind', 'number'] in loss dict, but found "
                        "loss.keys()=['kind', 'nummer']"));
  EXPECT_THAT(refusal({.loss = {{"number", "mse"}}}), HasSubstr("loss.keys()=['number']"));
  EXPECT_THAT(refusal({.loss = {{"kind", kClasses}, {"number", "mse"}, {"kind", kClasses}}}),
              HasSubstr("loss.keys()=['kind', 'number', 'kind']"));
}

TEST_F(ByOutput, LossWeightsAreOfAllOutputsAndOthersAreIgnoredWhereLossesHaveNames) {
  const LossWeights more = {{"nummer", 7.0}, {"kind", 0.25}, {"number", 3.0}};
  const ModelPtr with_more = model(), exact = model();
  with_more->compile(
      {.optimizer = "sgd", .loss = {{"number", "mse"}, {"kind", kClasses}}, .loss_weights = more});
  exact->compile({.optimizer = "sgd", .loss = {kClasses, "mse"}, .loss_weights = {0.25, 3.0}});
  EXPECT_EQ(train(with_more), train(exact));
  EXPECT_THAT(refusal({.loss = {kClasses, "mse"}, .loss_weights = more}),
              HasSubstr("loss_weights.keys()=['nummer', 'kind', 'number']"));
  EXPECT_THAT(refusal({.loss = "mse", .loss_weights = {{"kind", 1.0}}}),
              HasSubstr("loss_weights.keys()=['kind']"));
}

TEST_F(ByOutput, LossWeightsThatDoNotSufficeAreRefused) {
  const auto weighted = [&](const LossWeights& weights) {
    return refusal({.loss = {{"number", "mse"}, {"kind", kClasses}}, .loss_weights = weights});
  };
  EXPECT_THAT(weighted({{"kind", 1.0}}),
              HasSubstr("Expected keys ['kind', 'number'] in loss_weights dict, but found "
                        "loss_weights.keys()=['kind']"));
  EXPECT_THAT(weighted({{"kind", 1.0}, {"nummer", 1.0}}), HasSubstr("['kind', 'nummer']"));
  EXPECT_THAT(weighted({1.0, 2.0, 3.0}),
              HasSubstr("`loss_weights` must match the number of losses, got 2 losses and 3"));
  EXPECT_EQ(weighted({}), "nothing was thrown");
}

TEST_F(ByOutput, MetricsAreRefusedAsAWholeWhereOneIsOfNoOutput) {
  const auto measured = [&](std::vector<MetricArgument> metrics) {
    return refusal({.loss = {kClasses, "mse"}, .metrics = std::move(metrics)});
  };
  EXPECT_THAT(measured({{"kind", {"acc"}}, {"nummer", {"mae", "mse"}}}),
              HasSubstr("Invalid `metrics`. `metrics` should contain metrics objects and either be "
                        "a dict or a list matching the output names of the functional model "
                        "['kind', 'number'].\n"
                        "Received: metrics={'kind': ['acc'], 'nummer': ['mae', 'mse']}"));
  EXPECT_THAT(measured({{"kind", {"acc"}}, {"kind", {"mae"}}}), HasSubstr("Invalid `metrics`."));
  EXPECT_THAT(measured({{"kind", {"acc"}}, "mae"}), HasSubstr("Invalid `metrics`."));
}

}  // namespace
}  // namespace lamina

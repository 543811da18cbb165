// Whole models in legacy HDF5 files. data/keras2: of Keras 2, with what that computed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lamina/error.h>
#include <lamina/layers.h>
#include <lamina/log.h>
#include <lamina/npy.h>
#include <lamina/training.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "checkpoint/load/legacy.h"
#include "models/keras/legacy_config.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kData = std::string(LAMINA_SOURCE_DIR) + "/tests/models/data/keras2/";

std::vector<Tensor> inputs() {
  return {read_npy(kData + "images.npy"), read_npy(kData + "ids.npy")};
}

void expect_predictions(Model& model) {
  const Tensor expected = read_npy(kData + "predictions.npy");
  const Tensor got = model.predict(inputs()).at(0);
  ASSERT_EQ(got.shape(), expected.shape());
  for (std::size_t i = 0; i < static_cast<std::size_t>(got.size()); ++i) {
    EXPECT_NEAR(got.data<float>()[i], expected.data<float>()[i], 1e-6) << i;
  }
}

TEST(LegacyModels, OfKeras2ComputeWhatItComputed) {
  std::vector<std::string> warnings;
  const auto before =
      set_warning_handler([&](std::string_view message) { warnings.emplace_back(message); });
  const ModelPtr model = Model::load(kData + "model.h5");
  (void)set_warning_handler(before);
  // Keras 2 has no variable of the learning rate where Keras 3 has one.
  EXPECT_THAT(warnings,
              ElementsAre(HasSubstr("Error in loading the saved optimizer state. As a result, your "
                                    "model is starting with a freshly initialized optimizer.")));
  expect_predictions(*model);
  ASSERT_NE(model->optimizer(), nullptr);
  EXPECT_NEAR(model->optimizer()->learning_rate(), 0.01, 1e-8);
  const auto result = model->evaluate(inputs(), {Tensor::from<std::int32_t>({0, 1, 2, 0}, {4})},
                                      {.verbose = Verbose::kSilent});
  EXPECT_TRUE(result.contains("accuracy"));
  EXPECT_TRUE(std::isfinite(result.at("loss")));
}

TEST(LegacyModels, BecomeArchivesAndConfigurationsOfToday) {
  const ModelPtr model = Model::load(kData + "model.h5", {.compile = false});
  EXPECT_EQ(model->optimizer(), nullptr);
  const testing::TemporaryDirectory directory;
  model->save(directory / "m.keras");
  expect_predictions(*Model::load(directory / "m.keras"));
  const ModelPtr made = Model::from_json_text(model->to_json());
  made->load_weights(kData + "model.h5");
  expect_predictions(*made);
}

std::string message(const std::string& path) {
  try {
    (void)Model::load(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(LegacyModels, AreNoFilesOfOtherKinds) {
  const testing::TemporaryDirectory directory;
  const auto x = layers::Input({.shape = {2}});
  Functional::create(x, layers::Dense({.units = 1})(x))->save_weights(directory / "m.weights.h5");
  EXPECT_THAT(message(directory / "m.weights.h5"), HasSubstr("No model config found in the file"));
  EXPECT_THAT(message(directory / "none.h5"), HasSubstr("none.h5"));
}

nlohmann::json dense(const nlohmann::json& config) {
  nlohmann::json out = {{"units", 3}, {"name", "first"}};
  out.update(config);
  return {{"class_name", "Dense"}, {"config", out}};
}

// One value after another becomes something else.
TEST(LegacyModels, ThatAreChangedAtRandomAreReadOrRefused) {
  const auto texts = checkpoint::read_legacy_description(storage::posix().open(kData + "model.h5"));
  const auto model = nlohmann::json::parse(texts.model_config.value()).flatten();
  const auto training = nlohmann::json::parse(texts.training_config.value()).flatten();
  std::mt19937_64 random(test::fresh_seed());
  const std::vector<nlohmann::json> values = {nullptr,
                                              -1,
                                              7,
                                              "text",
                                              0.5,
                                              nlohmann::json::array(),
                                              nlohmann::json::object(),
                                              {{"class_name", 3}}};
  std::size_t refused = 0;
  for (int i = 0; i < 300; ++i) {
    const auto changed = [&](nlohmann::json all) {
      auto it = all.begin();
      std::advance(it, static_cast<std::ptrdiff_t>(random() % all.size()));
      *it = nullptr;
      nlohmann::json out = all.unflatten();
      out[nlohmann::json::json_pointer(it.key())] = values[random() % values.size()];
      return out;
    };
    (void)from_legacy_training_config(changed(training));
    try {
      (void)Model::from_json_text(from_legacy_config(changed(model), "here").dump());
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 50u);
}

// Keras before 2.3: a list of layers, of which the first says what it takes.
TEST(LegacyModels, OfTheOldestKerasListTheirLayers) {
  const nlohmann::json sequential = {
      {"class_name", "Sequential"},
      {"config",
       {dense({{"batch_input_shape", {nullptr, 4}}, {"dtype", "float32"}}),
        dense({{"units", 2}, {"name", "second"}})}}};
  const nlohmann::json config = from_legacy_config(sequential, "here");
  const ModelPtr model = Model::from_json_text(config.dump());
  ASSERT_TRUE(model->built());
  EXPECT_EQ(model->inputs()[0].shape(), (Shape{kNone, 4}));
  EXPECT_EQ(model->outputs()[0].shape(), (Shape{kNone, 2}));
  EXPECT_EQ(from_legacy_config(config, "here"), config) << "what is converted stays as it is";
}

TEST(LegacyModels, ThatAreDamagedAreRefused) {
  const auto converted = [](const nlohmann::json& object) -> std::string {
    try {
      (void)from_legacy_config(object, "here");
    } catch (const FormatError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(converted({{"class_name", "Dense"}, {"config", 3}}), HasSubstr("here: the 'config'"));
  EXPECT_THAT(converted({{"config", {{"a", 1}}}}), HasSubstr("'class_name'"));
  const nlohmann::json node = {{{"first", 0}}};
  nlohmann::json layer = dense(nlohmann::json::object());
  layer["inbound_nodes"] = {node};
  EXPECT_THAT(converted({{"class_name", "Model"}, {"config", {{"layers", {layer}}}}}),
              HasSubstr("is not [layer, call, output, keywords]"));
}

TEST(LegacyModels, AreCompiledWithMetricsAndOptimizersOfTheirNames) {
  const nlohmann::json config = from_legacy_training_config(
      {{"loss", "mse"},
       {"metrics",
        {{{{"class_name", "MeanMetricWrapper"}, {"config", {{"name", "acc"}, {"fn", "any"}}}},
          {{"class_name", "MeanMetricWrapper"}, {"config", {{"name", "x"}, {"fn", "mae"}}}},
          {{"class_name", "AUC"}, {"config", nlohmann::json::object()}}}}},
       {"sample_weight_mode", nullptr},
       {"optimizer_config",
        {{"class_name", "Custom>Adam"},
         {"config",
          {{"jit_compile", true},
           {"learning_rate",
            {{"class_name", "CosineDecay"}, {"config", nlohmann::json::object()}}}}}}}});
  EXPECT_EQ(config.at("metrics")[0][0], "acc");
  EXPECT_EQ(config.at("metrics")[0][1], "mae");
  EXPECT_EQ(config.at("metrics")[0][2].at("module"), "keras.metrics");
  EXPECT_FALSE(config.contains("sample_weight_mode"));
  const nlohmann::json& optimizer = config.at("optimizer");
  EXPECT_EQ(optimizer.at("class_name"), "Adam");
  EXPECT_EQ(optimizer.at("module"), "keras.optimizers");
  EXPECT_FALSE(optimizer.at("config").contains("jit_compile"));
  EXPECT_EQ(optimizer.at("config").at("learning_rate").at("module"), "keras.optimizers.schedules");
}

}  // namespace
}  // namespace lamina::models

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
  const auto model = nlohmann::json::parse(texts.model_config.value());
  const auto training = nlohmann::json::parse(texts.training_config.value());
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
  for (int i = 0; i < 100; ++i) {
    const auto changed = [&](nlohmann::json out) {
      const nlohmann::json places = out.flatten();
      auto it = places.begin();
      std::advance(it, static_cast<std::ptrdiff_t>(random() % places.size()));
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
  EXPECT_GT(refused, 40u);  // seven in ten are
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

nlohmann::json object(const char* class_name, const nlohmann::json& config) {
  return {{"class_name", class_name}, {"config", config}};
}

// As it stands in the list of a Functional's.
nlohmann::json called(nlohmann::json layer, const nlohmann::json& nodes) {
  layer["name"] = layer.at("config").at("name");
  layer["inbound_nodes"] = nodes;
  return layer;
}

nlohmann::json input(const char* name, const nlohmann::json& shape) {
  return called(object("InputLayer", {{"name", name},
                                      {"dtype", "float32"},
                                      {"batch_input_shape", shape},
                                      {"sparse", false},
                                      {"ragged", false}}),
                nlohmann::json::array());
}

nlohmann::json origin(const char* layer, unsigned call = 0, unsigned output = 0) {
  return {layer, call, output};
}

nlohmann::json argument(const char* layer, const nlohmann::json& keywords, unsigned output = 0) {
  return {layer, 0U, output, keywords};
}

nlohmann::json functional(const nlohmann::json& layers, const nlohmann::json& inputs,
                          const nlohmann::json& outputs) {
  return object("Functional", {{"name", "model"},
                               {"trainable", true},
                               {"layers", layers},
                               {"input_layers", inputs},
                               {"output_layers", outputs}});
}

ModelPtr made_of(const nlohmann::json& config) {
  return Model::from_json_text(from_legacy_config(config, "here").dump());
}

const auto kNoKeywords = nlohmann::json::object();

// tf_keras gives what stands in other models modules, and Keras 2's options all the same.
TEST(LegacyModels, MayNestModelsWithModulesOfTheirOwn) {
  nlohmann::json normalization =
      called(object("BatchNormalization", {{"name", "normalized"}, {"axis", {1}}}),
             {{argument("x", kNoKeywords)}});
  nlohmann::json x = input("x", {nullptr, 4});
  normalization["module"] = x["module"] = "keras.layers";
  nlohmann::json nested = functional({x, normalization}, {origin("x")}, {origin("normalized")});
  nested["module"] = "tf_keras.src.engine.functional";
  nested["registered_name"] = "Functional";
  const ModelPtr in_layer = made_of(
      object("Sequential", {{"name", "outer"},
                            {"layers",
                             {input("steps", {nullptr, 5, 4}),
                              object("TimeDistributed", {{"name", "each"}, {"layer", nested}})}}}));
  EXPECT_EQ(in_layer->outputs().at(0).shape(), (Shape{kNone, 5, 4}));
  const ModelPtr in_model = made_of(
      object("Sequential", {{"name", "outer"}, {"layers", {input("rows", {nullptr, 4}), nested}}}));
  EXPECT_EQ(in_model->outputs().at(0).shape(), (Shape{kNone, 4}));
  EXPECT_EQ(in_model->count_params(), 16);
}

TEST(LegacyModels, HaveStatesOfRecurrentLayersBesideTheirSequences) {
  const ModelPtr model =
      made_of(functional({input("x", {nullptr, 5, 3}), input("y", {nullptr, 5, 3}),
                          called(object("LSTM", {{"name", "lstm"},
                                                 {"units", 4},
                                                 {"return_state", true},
                                                 {"time_major", false},
                                                 {"implementation", 2}}),
                                 {{argument("x", kNoKeywords)},
                                  {argument("y", kNoKeywords), argument("lstm", kNoKeywords, 1),
                                   argument("lstm", kNoKeywords, 2)}})},
                         {origin("x"), origin("y")}, {origin("lstm", 1)}));
  EXPECT_EQ(model->outputs().at(0).shape(), (Shape{kNone, 4}));
  const Tensor zeros = Tensor::zeros({1, 5, 3}),
               ones = Tensor::from(std::vector<float>(15, 1), {1, 5, 3});
  const float from_zeros = model->predict({zeros, ones}).at(0).data<float>()[0];
  const float from_ones = model->predict({ones, ones}).at(0).data<float>()[0];
  EXPECT_NE(from_zeros, from_ones) << "the first call's states are the second's";
}

TEST(LegacyModels, HaveTensorsAmongArgumentsByName) {
  const ModelPtr model = made_of(functional(
      {input("x", {nullptr, 5, 8}), input("y", {nullptr, 7, 6}),
       called(object("MultiHeadAttention", {{"name", "attention"},
                                            {"num_heads", 2},
                                            {"key_dim", 4},
                                            {"output_shape", 3},
                                            {"query_shape", {nullptr, 5, 8}},
                                            {"softmax_robust_masking", false}}),
              {{argument("x",
                         {{"value", origin("y")}, {"key", origin("y")}, {"training", nullptr}})}})},
      {origin("x"), origin("y")}, {origin("attention")}));
  EXPECT_EQ(model->outputs().at(0).shape(), (Shape{kNone, 5, 3}));
}

TEST(LegacyModels, AreCalledWithDictionariesOfTensors) {
  const nlohmann::json nested =
      functional({input("a", {nullptr, 4}), input("b", {nullptr, 3}),
                  called(object("Concatenate", {{"name", "both"}, {"axis", -1}}),
                         {{argument("a", kNoKeywords), argument("b", kNoKeywords)}})},
                 {{"a", origin("a")}, {"b", origin("b")}}, {origin("both")});
  const ModelPtr model = made_of(functional(
      {input("x", {nullptr, 4}), input("y", {nullptr, 3}),
       called(nested, {{{"a", argument("x", kNoKeywords)}, {"b", argument("y", kNoKeywords)}}})},
      {origin("x"), origin("y")}, {origin("model", 1)}));
  EXPECT_EQ(model->outputs().at(0).shape(), (Shape{kNone, 7}));
}

TEST(LegacyModels, HaveOptionsThatSayNothingLeftOut) {
  const nlohmann::json kernel = {{"filters", 2}, {"kernel_size", {3, 3}}, {"groups", 1}};
  const auto with = [](nlohmann::json config, const nlohmann::json& more) {
    config.update(more);
    return config;
  };
  const nlohmann::json cell =
      object("GRUCell", {{"name", "cell"}, {"units", 3}, {"implementation", 1}});
  const ModelPtr model = made_of(object(
      "Sequential",
      {{"name", "all"},
       {"layers",
        {input("x", {nullptr, 8, 8, 3}),
         object("RandomFlip", {{"name", "flip"}, {"mode", "horizontal"}, {"rng_type", "stateful"}}),
         object("SpatialDropout2D", {{"name", "drop"},
                                     {"trainable", true},
                                     {"dtype", "float32"},
                                     {"rate", 0.5},
                                     {"noise_shape", nullptr}}),
         object("Conv2DTranspose", with(kernel, {{"name", "up"}, {"output_padding", nullptr}})),
         object("Dense",
                {{"name", "dense"},
                 {"units", 2},
                 {"activation", object("LeakyReLU", {{"alpha", 0.5}, {"name", "leaky"}})}}),
         object("Reshape", {{"name", "steps"}, {"target_shape", {10, 20}}}),
         object("RNN", {{"name", "rnn"}, {"cell", cell}, {"time_major", false}})}}}));
  EXPECT_EQ(model->outputs().at(0).shape(), (Shape{kNone, 3}));
  EXPECT_THROW(made_of(object(
                   "Sequential",
                   {{"name", "m"},
                    {"layers",
                     {input("x", {nullptr, 8, 8, 3}),
                      object("Conv2DTranspose", with(kernel, {{"name", "up"}, {"groups", 3}}))}}})),
               UnsupportedError);
}

TEST(LegacyModels, TellWhetherTheyAskForHardSigmoid) {
  const nlohmann::json layers = {dense({{"activation", "relu"}}),
                                 object("LSTM", {{"recurrent_activation", "hard_sigmoid"}})};
  EXPECT_TRUE(asks_for_hard_sigmoid(object("Sequential", {{"layers", layers}})));
  EXPECT_FALSE(asks_for_hard_sigmoid(object("Sequential", {{"layers", {layers[0]}}})));
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
      {{"loss",
        {"mse",
         {{"class_name", "Huber"},
          {"config", {{"reduction", "auto"}, {"fn", "huber"}, {"delta", 0.5}}}}}},
       {"metrics",
        {{{{"class_name", "MeanMetricWrapper"}, {"config", {{"name", "acc"}, {"fn", "any"}}}},
          {{"class_name", "MeanMetricWrapper"}, {"config", {{"name", "x"}, {"fn", "mae"}}}},
          {{"class_name", "AUC"}, {"config", nlohmann::json::object()}},
          {{"class_name", "MeanIoU"}, {"config", {{"num_classes", 2}, {"dtype", "float32"}}}},
          {{"class_name", "CosineSimilarity"}, {"config", {{"axis", -1}}}}}}},
       {"sample_weight_mode", nullptr},
       {"optimizer_config",
        {{"class_name", "Custom>Adam"},
         {"config",
          {{"jit_compile", true},
           {"learning_rate",
            {{"class_name", "CosineDecay"}, {"config", nlohmann::json::object()}}}}}}}});
  const nlohmann::json& loss = config.at("loss");
  EXPECT_EQ(loss[0], "mse");
  EXPECT_EQ(loss[1].at("module"), "keras.losses");
  EXPECT_EQ(loss[1].at("config"),
            nlohmann::json({{"reduction", "sum_over_batch_size"}, {"delta", 0.5}}));
  EXPECT_EQ(config.at("metrics")[0][0], "acc");
  EXPECT_EQ(config.at("metrics")[0][1], "mae");
  EXPECT_EQ(config.at("metrics")[0][2].at("module"), "keras.metrics");
  EXPECT_EQ(config.at("metrics")[0][3].at("config"), nlohmann::json({{"num_classes", 2}}));
  EXPECT_EQ(config.at("metrics")[0][4].at("config"), nlohmann::json::object());
  EXPECT_FALSE(config.contains("sample_weight_mode"));
  const nlohmann::json& optimizer = config.at("optimizer");
  EXPECT_EQ(optimizer.at("class_name"), "Adam");
  EXPECT_EQ(optimizer.at("module"), "keras.optimizers");
  EXPECT_FALSE(optimizer.at("config").contains("jit_compile"));
  EXPECT_EQ(optimizer.at("config").at("learning_rate").at("module"), "keras.optimizers.schedules");
}

}  // namespace
}  // namespace lamina::models

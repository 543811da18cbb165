// How a model was compiled, as Keras's compile_config, and models compiled by it.
#include "models/keras/compile_config.h"

#include <gmock/gmock.h>
#include <lamina/lamina.h>
#include <zip.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "fit_helpers.h"
#include "models/weights/access.h"
#include "tests/fakes/bytes.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/cost_of.h"
#include "training/object_config.h"

namespace lamina {
namespace {

using models::compile_config_of;
using models::compile_from_config;
using nlohmann::json;
using test::classifier;
using test::Scratch;
using test::Spokes;
using ::testing::AllOf;
using testing::CapturedWarnings;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ModelPtr two_outputs() {
  const auto x = layers::Input({.shape = {4}});
  const auto a = layers::Dense({.units = 1, .name = "a"})(x);
  const auto b = layers::Dense({.units = 3, .activation = "softmax", .name = "b"})(x);
  return Functional::create({x}, {a, b});
}

/// The configuration, after a fresh model was compiled by it and gave it back.
json config_both_ways(const ModelPtr& model, const ModelPtr& fresh) {
  const CapturedWarnings warnings;
  const json config = compile_config_of(*model);
  compile_from_config(*fresh, json::parse(config.dump()), "a file");
  EXPECT_TRUE(fresh->optimizer()) << config;
  EXPECT_EQ(compile_config_of(*fresh), config);
  EXPECT_THAT(warnings.all, IsEmpty());
  return config;
}

TEST(CompileConfig, IsNoneOfAModelThatWasNotCompiled) {
  const CapturedWarnings warnings;
  EXPECT_EQ(compile_config_of(*classifier()), nullptr);
  const ModelPtr model = classifier();
  compile_from_config(*model, nullptr, "a file");
  compile_from_config(*model, json::object(), "a file");
  EXPECT_FALSE(model->optimizer());
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST(CompileConfig, KeepsNamesAsNames) {
  const ModelPtr model = classifier();
  model->compile({.optimizer = "adam", .loss = "mse", .metrics = {"accuracy", "mae"}});
  const json config = config_both_ways(model, classifier());
  EXPECT_EQ(config, json({{"optimizer", training::optimizer_object(*model->optimizer())},
                          {"loss", "mse"},
                          {"loss_weights", nullptr},
                          {"metrics", {"accuracy", "mae"}},
                          {"weighted_metrics", nullptr},
                          {"run_eagerly", false},
                          {"steps_per_execution", 1},
                          {"jit_compile", true}}));
}

TEST(CompileConfig, HoldsObjectsOfSeveralOutputs) {
  const ModelPtr by_order = two_outputs();
  by_order->compile({.optimizer = optimizers::SGD(),
                     .loss = {"mse", losses::Huber({.delta = 0.5})},
                     .metrics = {{"mae", metrics::RootMeanSquaredError()}, {}},
                     .weighted_metrics = {{}, {"mse", metrics::AUC()}},
                     .loss_weights = {1.0, 0.5}});
  const json lists = config_both_ways(by_order, two_outputs());
  EXPECT_EQ(lists["loss"][0], "mse");
  EXPECT_EQ(lists["loss"][1]["config"]["delta"], 0.5);
  EXPECT_EQ(lists["loss_weights"], json({1.0, 0.5}));
  EXPECT_EQ(lists["metrics"][0][0], "mae");
  EXPECT_EQ(lists["metrics"][0][1]["class_name"], "RootMeanSquaredError");
  EXPECT_EQ(lists["metrics"][1], json::array());
  EXPECT_EQ(lists["weighted_metrics"][0], json::array());
  EXPECT_EQ(lists["weighted_metrics"][1][0], "mse");
  EXPECT_EQ(lists["weighted_metrics"][1][1]["class_name"], "AUC");

  const ModelPtr by_name = two_outputs();
  by_name->compile({.optimizer = optimizers::SGD(),
                    .loss = {{"b", losses::Huber()}, {"a", "mse"}},
                    .metrics = {{"b", {"accuracy"}}},
                    .weighted_metrics = {{"a", {"mae"}}},
                    .loss_weights = {{"b", 0.25}, {"a", 2.0}}});
  const json dictionaries = config_both_ways(by_name, two_outputs());
  EXPECT_EQ(dictionaries["loss"]["a"], "mse");
  EXPECT_EQ(dictionaries["loss"]["b"]["class_name"], "Huber");
  EXPECT_EQ(dictionaries["loss_weights"], json({{"a", 2.0}, {"b", 0.25}}));
  EXPECT_EQ(dictionaries["metrics"], json({{"b", {"accuracy"}}}));
  EXPECT_EQ(dictionaries["weighted_metrics"], json({{"a", {"mae"}}}));
}

TEST(CompileConfig, HoldsTheOptimizerThatWasGiven) {
  set_dtype_policy("mixed_float16");
  const ModelPtr model = classifier();
  const ModelPtr fresh = classifier();
  set_dtype_policy("float32");
  model->compile({.optimizer = optimizers::Adam({.loss_scale_factor = 4.0}), .loss = "mse"});
  ASSERT_EQ(model->optimizer()->class_name(), "LossScaleOptimizer");
  const json config = config_both_ways(model, fresh)["optimizer"];
  EXPECT_EQ(config["class_name"], "Adam");
  EXPECT_EQ(config["config"]["loss_scale_factor"], nullptr);
  EXPECT_EQ(fresh->optimizer()->class_name(), "LossScaleOptimizer");
}

TEST(CompileConfig, HoldsObjectsOfMetricsThatKerasHasNoNameOf) {
  const ModelPtr model = classifier();
  model->compile({.loss = "mse",
                  .metrics = {"huber", metrics::ConcordanceCorrelation(), "KLD", "kl_divergence"}});
  const json all = config_both_ways(model, classifier())["metrics"];
  EXPECT_EQ(all[0]["config"]["fn"]["config"], "huber");
  EXPECT_EQ(all[0]["config"]["name"], "huber");
  EXPECT_EQ(all[1]["class_name"], "ConcordanceCorrelation");
  EXPECT_EQ(all[1]["config"]["axis"], -1);
  EXPECT_EQ(all[2]["config"]["name"], "KLD");
  EXPECT_EQ(all[3], "kl_divergence");
}

TEST(CompileConfig, IsNoneWithNumbersThatJsonLacks) {
  const CapturedWarnings warnings;
  const ModelPtr model = classifier();
  model->compile({.loss = "mse", .loss_weights = {std::numeric_limits<double>::infinity()}});
  EXPECT_EQ(compile_config_of(*model), nullptr);
  model->compile({.optimizer = optimizers::Adam({.epsilon = std::nan("")}), .loss = "mse"});
  EXPECT_EQ(compile_config_of(*model), nullptr);
  EXPECT_THAT(warnings.all, ElementsAre(AllOf(HasSubstr("is not in its configuration"),
                                              HasSubstr("loss_weights"), HasSubstr("inf")),
                                        AllOf(HasSubstr("is not in its configuration"),
                                              HasSubstr("epsilon"), HasSubstr("nan"))));
}

class Own : public metrics::Mean {
 public:
  Own() : Mean("own") {}
};

TEST(CompileConfig, IsNoneWithAClassThatIsNotKerass) {
  const CapturedWarnings warnings;
  const ModelPtr model = classifier();
  model->compile({.loss = "mse", .metrics = {MetricPtr(std::make_shared<Own>())}});
  EXPECT_EQ(compile_config_of(*model), nullptr);
  EXPECT_THAT(warnings.all, ElementsAre(AllOf(HasSubstr(model->name()), HasSubstr("metric"),
                                              HasSubstr("'Own'"))));
}

TEST(CompileConfig, WithWhatLaminaLacksLeavesTheModel) {
  const ModelPtr compiled = classifier();
  compiled->compile({.optimizer = "adam", .loss = "mse"});
  const json sound = compile_config_of(*compiled);
  const json custom = {{"module", "mine"},
                       {"class_name", "Mine"},
                       {"config", json::object()},
                       {"registered_name", "mine>Mine"}};
  const std::vector<std::tuple<const char*, json, const char*>> cases = {
      {"loss", custom, "'Mine'"},
      {"loss", nullptr, "loss"},
      {"loss", {"mse", nullptr}, "loss"},
      {"loss", "hinged", "'hinged'"},
      {"loss", json::array(), "loss"},
      {"optimizer", custom, "'Mine'"},
      {"optimizer", "adam", "optimizer"},
      {"metrics", {custom}, "'Mine'"},
      {"metrics", {{custom}}, "'Mine'"},
      {"metrics", {"exactness"}, "'exactness'"},
      {"metrics", {"F1Score"}, "average"},
      {"metrics", {{"a", {{"b", "mae"}}}}, "metric"},
      {"metrics", 3, "metric"},
      {"loss_weights", {"1"}, "loss_weights"},
      {"weighted_metrics", {"exactness"}, "'exactness'"},
      {"distribution", "many", "'distribution'"}};
  for (const auto& [key, value, named] : cases) {
    json config = sound;
    config[key] = value;
    const ModelPtr model = classifier();
    const CapturedWarnings warnings;
    compile_from_config(*model, config, "m.keras");
    EXPECT_FALSE(model->optimizer()) << config;
    EXPECT_THAT(warnings.all,
                ElementsAre(AllOf(HasSubstr("`compile()` was not called as part of model loading"),
                                  HasSubstr("m.keras"), HasSubstr(named))))
        << config;
  }
  for (const json& none : {json("adam"), json::array({1}), json(3)}) {
    const CapturedWarnings warnings;
    const ModelPtr model = classifier();
    compile_from_config(*model, none, "m.keras");
    EXPECT_FALSE(model->optimizer());
    EXPECT_EQ(warnings.all.size(), 1U);
  }
}

// More than there is memory for.
TEST(CompileConfig, OfSizesBeyondMeasureLeavesTheModel) {
  const ModelPtr compiled = classifier();
  compiled->compile({.optimizer = "adam", .loss = "mse"});
  json config = compile_config_of(*compiled);
  for (const MetricPtr& metric :
       {metrics::AUC(), metrics::SpecificityAtSensitivity(0.5), metrics::MeanIoU(3)}) {
    config["metrics"] = json::array({training::metric_object(*metric)});
    json& options = config["metrics"][0]["config"];
    const char* option = options.contains("num_classes") ? "num_classes" : "num_thresholds";
    for (const std::int64_t many : {std::int64_t{1} << 32, std::int64_t{1} << 62}) {
      options[option] = many;
      const ModelPtr model = classifier();
      const CapturedWarnings warnings;
      compile_from_config(*model, config, "m.keras");
      EXPECT_FALSE(model->optimizer()) << config;
      EXPECT_THAT(warnings.all, ElementsAre(AllOf(HasSubstr("m.keras"), HasSubstr(option))));
    }
  }
}

// A metric counts from its first batch on.
TEST(CompileConfig, OfManyMetricsOfTheLargestSizesNeedsNoMemory) {
  const ModelPtr compiled = classifier();
  compiled->compile({.optimizer = "adam", .loss = "mse"});
  json config = compile_config_of(*compiled);
  json list = json::array();
  for (int i = 0; i < 20; ++i) list.push_back(training::metric_object(*metrics::MeanIoU(4096)));
  for (int i = 0; i < 20; ++i) {
    list.push_back(training::metric_object(*metrics::AUC({.num_thresholds = 100'000})));
  }
  config["metrics"] = json::array({list});
  const ModelPtr model = classifier();
  const CapturedWarnings warnings;
  testing::expect_at_most(testing::cost_of([&] { compile_from_config(*model, config, "m"); }),
                          testing::kMostForBadInput);
  EXPECT_TRUE(model->optimizer());
  EXPECT_THAT(warnings.all, IsEmpty());

  config["metrics"] = json::array({json::array()});
  for (int i = 0; i < 1001; ++i) config["metrics"][0].push_back("mae");
  const ModelPtr other = classifier();
  compile_from_config(*other, config, "m.keras");
  EXPECT_FALSE(other->optimizer());
  EXPECT_THAT(warnings.all, ElementsAre(AllOf(HasSubstr("m.keras"), HasSubstr("1001 metrics"))));
}

TEST(CompileConfig, OfOneMetricOrFunctionsIsReadAsWell) {
  const ModelPtr compiled = classifier();
  compiled->compile({.optimizer = "adam", .loss = "mse"});
  json config = compile_config_of(*compiled);
  const auto function = [](const char* name) {
    return json{{"module", "builtins"},
                {"class_name", "function"},
                {"config", name},
                {"registered_name", "function"}};
  };
  config["loss"] = function("mean_absolute_error");
  config["metrics"] = {function("mean_squared_error"), nullptr};
  config["loss_weights"] = 0.5;
  config["weighted_metrics"] = json::array();
  config["run_eagerly"] = true;
  const ModelPtr model = classifier();
  compile_from_config(*model, config, "m.keras");
  ASSERT_TRUE(model->optimizer());
  const json read = compile_config_of(*model);
  EXPECT_EQ(read["loss"], json({"mean_absolute_error"}));
  EXPECT_EQ(read["metrics"], json({"mean_squared_error", json::array()}));
  EXPECT_EQ(read["loss_weights"], json({0.5}));
}

constexpr const char* kConfig = R"({
  "module": "keras.src.models.functional", "class_name": "Functional", "registered_name": "Functional",
  "config": {"name": "m", "trainable": true, "layers": [
    {"module": "keras.layers", "class_name": "InputLayer", "registered_name": null, "name": "x",
     "config": {"batch_shape": [null, 4], "dtype": "float32", "name": "x"}, "inbound_nodes": []},
    {"module": "keras.layers", "class_name": "Dense", "registered_name": null, "name": "d",
     "config": {"name": "d", "trainable": true, "dtype": "float32", "units": 3,
                "activation": "softmax", "use_bias": true},
     "inbound_nodes": [{"args": [{"class_name": "__keras_tensor__", "config": {
        "shape": [null, 4], "dtype": "float32", "keras_history": ["x", 0, 0]}}], "kwargs": {}}]}],
   "input_layers": [["x", 0, 0]], "output_layers": [["d", 0, 0]]}})";

/// An archive as Keras's `model.save` writes it, of a model of `kConfig` and its weights.
void write_archive(const std::filesystem::path& path, const Model& model, const json& compiled,
                   const std::filesystem::path& scratch) {
  model.save_weights(scratch);
  json config = json::parse(kConfig);
  config["compile_config"] = compiled;
  const std::pair<const char*, std::string> members[] = {
      {"metadata.json", "{}"},
      {"config.json", config.dump()},
      {"model.weights.h5", test::read_file(scratch)}};
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  ASSERT_NE(archive, nullptr);
  for (const auto& [name, bytes] : members) {
    zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    const zip_int64_t at = zip_file_add(archive, name, source, 0);
    ASSERT_GE(at, 0);
    ASSERT_EQ(zip_set_file_compression(archive, static_cast<zip_uint64_t>(at), ZIP_CM_STORE, 0), 0);
  }
  ASSERT_EQ(zip_close(archive), 0);
}

class Archived : public ::testing::Test {
 protected:
  void SetUp() override {
    model_->compile({.optimizer = optimizers::Adam({.learning_rate = 0.05}),
                     .loss = losses::SparseCategoricalCrossentropy(),
                     .metrics = {"accuracy"}});
  }
  ModelPtr loaded(const json& compiled, const LoadModelOptions& options = {}) {
    write_archive(folder_ / "m.keras", *model_, compiled, folder_ / "scratch.weights.h5");
    return Model::load(folder_ / "m.keras", options);
  }

  test::Random random_;
  Spokes data_{random_};
  Scratch folder_;
  const ModelPtr model_ = Model::from_json_text(kConfig);
};

TEST_F(Archived, TrainingGoesOnToTheSameBits) {
  (void)model_->fit(data_.x, data_.y, {.epochs = 2, .verbose = Verbose::kSilent});
  const ModelPtr other = loaded(compile_config_of(*model_));
  ASSERT_TRUE(other->optimizer());
  EXPECT_EQ(other->optimizer()->steps(), model_->optimizer()->steps());
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(other->train_on_batch(data_.x, data_.y), model_->train_on_batch(data_.x, data_.y));
  }
}

TEST_F(Archived, AnOptimizerThatHasNotBegunIsBuilt) {
  model_->optimizer()->set_learning_rate(0.25);
  const CapturedWarnings warnings;
  const ModelPtr other = loaded(compile_config_of(*model_));
  ASSERT_TRUE(other->optimizer());
  EXPECT_TRUE(other->optimizer()->built());
  EXPECT_EQ(other->optimizer()->learning_rate(), 0.25);
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST_F(Archived, StaysUncompiledWhereThatIsAskedFor) {
  (void)model_->train_on_batch(data_.x, data_.y);
  const CapturedWarnings warnings;
  const ModelPtr other = loaded(compile_config_of(*model_), {.compile = false});
  EXPECT_FALSE(other->optimizer());
  EXPECT_THAT(warnings.all, IsEmpty());
  // Nobody asked that they be left of a file of weights.
  other->load_weights(folder_ / "m.keras");
  EXPECT_THAT(warnings.all, ElementsAre(HasSubstr("'/optimizer/vars'")));
}

TEST_F(Archived, HasItsWeightsWhereTheOptimizersDoNotSuit) {
  // As many variables as Adafactor's, of other shapes.
  model_->compile({.optimizer = optimizers::Adam({.amsgrad = true}),
                   .loss = "sparse_categorical_crossentropy"});
  (void)model_->train_on_batch(data_.x, data_.y);
  json compiled = compile_config_of(*model_);
  compiled["optimizer"] = training::optimizer_object(*optimizers::Adafactor());
  const CapturedWarnings warnings;
  const ModelPtr other = loaded(compiled);
  EXPECT_FALSE(other->optimizer());
  EXPECT_THAT(warnings.all,
              Contains(AllOf(HasSubstr("`compile()` was not called"), HasSubstr("shape"))));
  const Tensor ours = model_->predict(data_.x), theirs = other->predict(data_.x);
  for (std::size_t i = 0; i < ours.data<float>().size(); ++i) {
    EXPECT_EQ(theirs.data<float>()[i], ours.data<float>()[i]);
  }
}

TEST_F(Archived, ByLaminaTrainsOnToTheSameBits) {
  (void)model_->fit(data_.x, data_.y, {.epochs = 2, .verbose = Verbose::kSilent});
  model_->save(folder_ / "m.keras");
  const ModelPtr other = Model::load(folder_ / "m.keras");
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(other->train_on_batch(data_.x, data_.y), model_->train_on_batch(data_.x, data_.y));
  }
}

// Not one to be had without its optimizer: that is damaged, and does not just not suit.
TEST_F(Archived, WhoseOptimizerWasDamagedIsRefused) {
  (void)model_->train_on_batch(data_.x, data_.y);
  model_->save(folder_ / "m.keras");
  std::string text = testing::text_of(folder_ / "m.keras");
  const VariablePtr moment = model_->optimizer()->variables()[2];  // behind steps and learning rate
  const auto bytes = std::as_bytes(moment->value().data<float>());
  const std::size_t at = text.find({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  ASSERT_NE(at, text.npos);
  text[at] ^= 1;
  testing::write_text(folder_ / "m.keras", text);
  EXPECT_THROW((void)Model::load(folder_ / "m.keras"), CorruptionError);
}

TEST_F(Archived, ACustomLossLeavesTheModelUncompiled) {
  json compiled = compile_config_of(*model_);
  compiled["loss"] = {{"module", "mine"},
                      {"class_name", "Mine"},
                      {"config", json::object()},
                      {"registered_name", "mine>Mine"}};
  const CapturedWarnings warnings;
  const ModelPtr other = loaded(compiled);
  EXPECT_FALSE(other->optimizer());
  EXPECT_THAT(warnings.all, Contains(AllOf(HasSubstr("m.keras"), HasSubstr("'Mine'"))));
}

}  // namespace
}  // namespace lamina

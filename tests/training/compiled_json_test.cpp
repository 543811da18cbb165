// Models compiled by the configuration that they are made of, as `model.to_json()` of Keras's
// compiled models writes it.
#include <gmock/gmock.h>
#include <lamina/lamina.h>

#include <nlohmann/json.hpp>

#include "fit_helpers.h"
#include "models/keras/compile_config.h"
#include "tests/fakes/captured_warnings.h"

namespace lamina {
namespace {

using models::compile_config_of;
using nlohmann::json;
using test::classifier;
using test::Spokes;
using ::testing::AllOf;
using testing::CapturedWarnings;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CompiledJson : public ::testing::Test {
 protected:
  CompiledJson() {
    model_->compile({.optimizer = optimizers::Adam({.learning_rate = 0.25}),
                     .loss = losses::SparseCategoricalCrossentropy(),
                     .metrics = {"accuracy"}});
  }
  /// The model's configuration, and this of how it was compiled.
  [[nodiscard]] std::string text(const json& compiled) const {
    json object = json::parse(model_->to_json());
    object["compile_config"] = compiled;
    return object.dump();
  }

  const ModelPtr model_ = classifier(7, 0.0);
};

TEST_F(CompiledJson, MakesAModelThatTrains) {
  const CapturedWarnings warnings;
  test::Random random;
  const Spokes data(random);
  const ModelPtr read = Model::from_json_text(text(compile_config_of(*model_)));
  ASSERT_TRUE(read->optimizer());
  EXPECT_EQ(compile_config_of(*read), compile_config_of(*model_));
  EXPECT_TRUE(read->optimizer()->built());
  read->set_weights(model_->get_weights());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(read->train_on_batch(data.x, data.y), model_->train_on_batch(data.x, data.y));
  }
  test::expect_same_bits(*read, *model_);
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST_F(CompiledJson, IsWhatTheModelWrites) {
  const json written = json::parse(model_->to_json());
  EXPECT_EQ(written.at("compile_config"), compile_config_of(*model_));
  EXPECT_EQ(Model::from_json_text(written.dump())->to_json(), written.dump(-1, ' ', true));
  // Of models within it too, as Keras writes them; {} for one that was not compiled.
  const auto x = layers::Input({.shape = {4}});
  const json nested = json::parse(Functional::create(x, (*model_)(x))->to_json());
  EXPECT_EQ(nested.at("compile_config"), json::object());
  EXPECT_EQ(nested.at("config").at("layers").at(1).at("compile_config"),
            written.at("compile_config"));
}

/// A model that calls `inner`.
ModelPtr around(const ModelPtr& inner) {
  const auto x = layers::Input({.shape = {4}});
  return Functional::create(x, layers::Dense({.units = 2})((*inner)(x)));
}

Model& inner_of(Model& outer) {
  return dynamic_cast<Model&>(*outer.layers().at(1));
}

TEST_F(CompiledJson, OfAModelWithinAModelCompilesThat) {
  const CapturedWarnings warnings;
  const ModelPtr outer = around(model_);
  for (const ModelPtr& read :
       {Model::from_json_text(outer->to_json()), models::clone_model(*outer)}) {
    EXPECT_FALSE(read->optimizer());
    Model& inner = inner_of(*read);
    ASSERT_TRUE(inner.optimizer());
    EXPECT_EQ(compile_config_of(inner), compile_config_of(*model_));
    EXPECT_TRUE(inner.optimizer()->built());
    EXPECT_EQ(read->to_json(), outer->to_json());
    test::Random random;
    const Spokes data(random);
    (void)inner.train_on_batch(data.x, data.y);
    EXPECT_EQ(inner.optimizer()->steps(), 1);
  }
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST_F(CompiledJson, OfAModelThatALayerHoldsCompilesThat) {
  const auto x = layers::Input({.shape = {3, 4}});
  const ModelPtr outer = Functional::create(x, layers::TimeDistributed({.layer = model_})(x));
  const ModelPtr read = Model::from_json_text(outer->to_json());
  EXPECT_EQ(read->to_json(), outer->to_json());
}

// Its optimizer's variables lie beside the model's in the archive, or it has yet to begin.
TEST_F(CompiledJson, ModelsWithinAModelGoOnFromAnArchive) {
  test::Scratch folder;
  test::Random random;
  const Spokes data(random);
  const ModelPtr outer = around(model_);
  for (const int steps : {0, 2}) {
    for (int i = 0; i < steps; ++i) (void)model_->train_on_batch(data.x, data.y);
    outer->save(folder / "m.keras");
    const CapturedWarnings warnings;
    const ModelPtr read = Model::load(folder / "m.keras");
    EXPECT_THAT(warnings.all, IsEmpty());
    Model& inner = inner_of(*read);
    ASSERT_TRUE(inner.optimizer());
    EXPECT_TRUE(inner.optimizer()->built());
    EXPECT_EQ(inner.optimizer()->steps(), model_->optimizer()->steps());
    EXPECT_EQ(inner.test_on_batch(data.x, data.y), model_->test_on_batch(data.x, data.y));
    if (steps > 0) test::expect_same_bits(inner, *model_);
    const ModelPtr without = Model::load(folder / "m.keras", {.compile = false});
    EXPECT_FALSE(inner_of(*without).optimizer());
    EXPECT_THAT(warnings.all, IsEmpty());
  }
}

TEST_F(CompiledJson, WithWhatLaminaLacksLeavesTheModelWithinUncompiled) {
  json object = json::parse(around(model_)->to_json());
  object["config"]["layers"][1]["compile_config"]["loss"] = "hinged";
  object["compile_config"] = compile_config_of(*model_);
  const CapturedWarnings warnings;
  const ModelPtr read = Model::from_json_text(object.dump(), "m.json");
  EXPECT_TRUE(read->optimizer());
  EXPECT_FALSE(inner_of(*read).optimizer());
  EXPECT_THAT(warnings.all,
              ElementsAre(AllOf(HasSubstr("`compile()` was not called as part of model loading"),
                                HasSubstr(model_->name()), HasSubstr("'hinged'"))));
}

TEST_F(CompiledJson, OfAModelThatWasNotCompiledLeavesItSo) {
  const CapturedWarnings warnings;
  EXPECT_FALSE(Model::from_json_text(classifier(7, 0.0)->to_json())->optimizer());
  for (const json& none : {json(nullptr), json::object()}) {
    EXPECT_FALSE(Model::from_json_text(text(none))->optimizer());
  }
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST_F(CompiledJson, WithWhatLaminaLacksLeavesTheModelUncompiled) {
  json compiled = compile_config_of(*model_);
  compiled["loss"] = {{"module", "mine"},
                      {"class_name", "Mine"},
                      {"config", json::object()},
                      {"registered_name", "mine>Mine"}};
  const CapturedWarnings warnings;
  const ModelPtr read = Model::from_json_text(text(compiled), "m.json");
  EXPECT_FALSE(read->optimizer());
  EXPECT_THAT(warnings.all,
              ElementsAre(AllOf(HasSubstr("`compile()` was not called as part of model loading"),
                                HasSubstr("m.json"), HasSubstr("'Mine'"))));
}

TEST_F(CompiledJson, WhoseOptimizerDoesNotSuitLeavesTheModelUncompiled) {
  const auto x = layers::Input({.shape = {4}});
  const auto y = layers::Dense(
      {.units = 3, .kernel_constraint = constraints::MaxNorm{.max_value = 2.0, .axis = 7}})(x);
  json object = json::parse(Functional::create(x, y)->to_json());
  object["compile_config"] = compile_config_of(*model_);
  const CapturedWarnings warnings;
  EXPECT_FALSE(Model::from_json_text(object.dump(), "m.json")->optimizer());
  EXPECT_THAT(warnings.all, ElementsAre(AllOf(HasSubstr("`compile()` was not called"),
                                              HasSubstr("m.json"), HasSubstr("axis"))));
}

// Its optimizer has no variables before the model has: they come with the first step.
TEST_F(CompiledJson, OfAModelThatIsNotBuiltCompilesItToo) {
  const ModelPtr deferred = Sequential::create({layers::Dense({.units = 3})});
  json object = json::parse(deferred->to_json());
  object["compile_config"] = compile_config_of(*model_);
  const ModelPtr read = Model::from_json_text(object.dump());
  ASSERT_TRUE(read->optimizer());
  EXPECT_FALSE(read->optimizer()->built());
  test::Random random;
  const Spokes data(random);
  (void)read->train_on_batch(data.x, data.y);
  EXPECT_EQ(read->optimizer()->steps(), 1);
}

}  // namespace
}  // namespace lamina

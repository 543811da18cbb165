// clone_model: the same configuration and new weights.
#include <gmock/gmock.h>
#include <lamina/lamina.h>

#include "models/keras/compile_config.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/models/helpers.h"

namespace lamina {
namespace {

using namespace test;
using models::clone_model;
using models::compile_config_of;
using testing::CapturedWarnings;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Options of every form: integers, numbers, shapes, lists, objects.
ModelPtr network() {
  auto x = layers::Input({.shape = {8, 8, 3}, .name = "image"});
  auto y = layers::Rescaling({.scale = 0.5, .offset = -1.0})(x);
  y = layers::Conv2D({.filters = 4,
                      .kernel_size = 3,
                      .strides = 2,
                      .padding = "same",
                      .kernel_initializer = initializers::RandomNormal{.stddev = 0.25},
                      .kernel_regularizer = regularizers::L2{1e-3},
                      .bias_constraint = "non_neg",
                      .name = "stem"})(y);
  y = layers::BatchNormalization({.momentum = 0.75})(y);
  y = layers::Add()({y, layers::ReLU({.max_value = 6.0})(y)});
  const auto inner = Sequential::create(
      {layers::InputLayer({.shape = {4, 4, 4}}), layers::Flatten(), dense(5, "within")},
      {.name = "inner"});
  return Functional::create({x}, {layers::Softmax()((*inner)(y))}, {.name = "outer"});
}

TEST(CloneModel, HasTheConfigurationAndOtherWeights) {
  const CapturedWarnings warnings;
  Random random;
  const ModelPtr model = network();
  const ModelPtr clone = clone_model(*model);
  EXPECT_EQ(clone->to_json(), model->to_json());
  EXPECT_EQ(clone->summary(), model->summary());
  const std::vector<VariablePtr> ours = model->variables(), theirs = clone->variables();
  ASSERT_EQ(theirs.size(), ours.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    EXPECT_NE(theirs[i], ours[i]);
    EXPECT_EQ(theirs[i]->path(), ours[i]->path());
  }
  const Tensor x = random.tensor({2, 8, 8, 3});
  EXPECT_FALSE(bitwise_equal(clone->predict(x), model->predict(x)));
  clone->set_weights(model->get_weights());
  EXPECT_TRUE(bitwise_equal(clone->predict(x), model->predict(x)));
  EXPECT_FALSE(clone->optimizer());
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST(CloneModel, OfWhatKerasWroteWritesTheSame) {
  for (const char* name : {"branches.json", "dictionary.json", "images_and_numbers.json",
                           "nested.json", "transformer.json", "deferred.json"}) {
    SCOPED_TRACE(name);
    const ModelPtr model = Model::from_json(data_path(name));
    const ModelPtr clone = clone_model(*model);
    EXPECT_EQ(clone->class_name(), model->class_name());
    EXPECT_EQ(clone->built(), model->built());
    EXPECT_EQ(clone->to_json(), model->to_json());
  }
}

TEST(CloneModel, IsCompiledAsTheModelIs) {
  const CapturedWarnings warnings;
  Random random;
  const ModelPtr model = network();
  model->compile(
      {.optimizer = optimizers::Adam({.learning_rate = 0.125}), .loss = "mse", .metrics = {"mae"}});
  const Tensor x = random.tensor({4, 8, 8, 3}), y = random.tensor({4, 5}, 0, 1);
  (void)model->train_on_batch(x, y);
  const ModelPtr clone = clone_model(*model);
  ASSERT_TRUE(clone->optimizer());
  EXPECT_NE(clone->optimizer(), model->optimizer());
  EXPECT_EQ(compile_config_of(*clone), compile_config_of(*model));
  EXPECT_TRUE(clone->optimizer()->built());
  EXPECT_EQ(clone->optimizer()->steps(), 0);
  EXPECT_EQ(model->optimizer()->steps(), 1);
  (void)clone->train_on_batch(x, y);
  EXPECT_EQ(clone->optimizer()->steps(), 1);
  EXPECT_THAT(warnings.all, IsEmpty());
}

class OwnMetric : public metrics::Mean {
 public:
  OwnMetric() : Mean("own") {}
};

TEST(CloneModel, IsNotCompiledWithAClassOfOnesOwn) {
  const ModelPtr model = network();
  model->compile({.loss = "mse", .metrics = {MetricPtr(std::make_shared<OwnMetric>())}});
  const CapturedWarnings warnings;
  EXPECT_FALSE(clone_model(*model)->optimizer());
  EXPECT_THAT(warnings.all, ElementsAre(HasSubstr("'OwnMetric'")));
}

class Own final : public SubclassedModel {
 public:
  Own() : SubclassedModel({.name = "mine"}), dense_(track("dense", dense(2, "d"))) {}
  [[nodiscard]] std::string class_name() const override { return "Own"; }
  SymbolicTensors call(const SymbolicTensors& x) override { return dense_->apply(x); }

 private:
  LayerPtr dense_;
};

TEST(CloneModel, OfAClassOfOnesOwnIsRefused) {
  const auto own = std::make_shared<Own>();
  try {
    (void)clone_model(*own);
    FAIL();
  } catch (const UnsupportedError& error) {
    EXPECT_THAT(error.what(), HasSubstr("mine"));
  }
}

}  // namespace
}  // namespace lamina

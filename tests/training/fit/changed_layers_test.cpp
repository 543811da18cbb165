// Layers that come and go between two runs of one compiled model.
#include <gmock/gmock.h>

#include "tests/training/fit_helpers.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::HasSubstr;

std::shared_ptr<Sequential> stack() {
  return Sequential::create({layers::InputLayer({.shape = {4}}), layers::Dense({.units = 5}),
                             layers::Dense({.units = 3})});
}

void compile(Model& model) {
  model.compile({.optimizer = optimizers::SGD({.learning_rate = 0.1}), .loss = "mse"});
}

class ChangedLayers : public ::testing::Test {
 protected:
  void fit(Model& model) {
    (void)model.fit(x_, y_, {.verbose = Verbose::kSilent, .shuffle = false});
  }
  double evaluate(Model& model) {
    return model.evaluate(x_, y_, {.verbose = Verbose::kSilent}).at("loss");
  }
  /// Whether `changed` trains and evaluates as `made`, a new model of its layers, does from its
  /// weights.
  void expect_trains_as(Model& changed, Model& made) {
    made.set_weights(changed.get_weights());
    compile(made);
    EXPECT_EQ(evaluate(changed), evaluate(made));
    fit(changed);
    fit(made);
    expect_same_bits(changed.variables(), made.variables());
    EXPECT_EQ(evaluate(changed), evaluate(made));
  }

  Random random_;
  Tensor x_ = random_.tensor({40, 4}), y_ = random_.tensor({40, 3});
};

TEST_F(ChangedLayers, WithoutWeightsAreTrainedThrough) {
  const auto model = stack();
  compile(*model);
  fit(*model);
  model->add(layers::Activation({.activation = "tanh"}));
  const auto longer = stack();
  longer->add(layers::Activation({.activation = "tanh"}));
  expect_trains_as(*model, *longer);
  model->pop();
  expect_trains_as(*model, *stack());
}

TEST_F(ChangedLayers, BringAndTakeThePenaltiesOfTheirOutputs) {
  const LayerRef activation = layers::Activation({.activation = "tanh"});
  activation->set_activity_regularizer(regularizers::L2{0.5});
  const auto model = stack();
  compile(*model);
  fit(*model);
  model->add(activation);
  const auto longer = stack();
  longer->add(activation);
  expect_trains_as(*model, *longer);
  model->pop();
  expect_trains_as(*model, *stack());
}

TEST_F(ChangedLayers, OfAModelWithinAreTrainedThrough) {
  const auto around = [](const std::shared_ptr<Sequential>& inner) {
    const SymbolicTensor x = layers::Input({.shape = {4}});
    return Functional::create(x, (*inner)(x));
  };
  const auto inner = stack();
  const auto model = around(inner);
  compile(*model);
  fit(*model);
  inner->add(layers::Activation({.activation = "tanh"}));
  const auto longer = stack();
  longer->add(layers::Activation({.activation = "tanh"}));
  expect_trains_as(*model, *around(longer));
  inner->pop();
  expect_trains_as(*model, *around(stack()));
}

TEST_F(ChangedLayers, OfAnotherOutputShapeHaveTheMetricsOfThatShape) {
  const auto measured = [&](Model& model, const Tensor& y) {
    return model.evaluate(x_, y, {.verbose = Verbose::kSilent});
  };
  const auto compile_measured = [](Model& model) {
    model.compile({.optimizer = optimizers::SGD(), .loss = "mse", .metrics = {"accuracy"}});
  };
  const auto model = stack();
  model->add(layers::Reshape({.target_shape = {3, 1}}));
  compile_measured(*model);
  (void)model->train_on_batch(x_, y_.reshape({40, 3, 1}));
  const Logs binary = measured(*model, y_.reshape({40, 3, 1}));
  EXPECT_EQ(binary.at("accuracy"), 0);  // no label is 0 or 1
  model->pop();
  const auto made = stack();
  made->set_weights(model->get_weights());
  compile_measured(*made);
  EXPECT_EQ(measured(*model, y_), measured(*made, y_));
  EXPECT_GT(measured(*model, y_).at("accuracy"), 0);  // of 40, by chance, a third
  (void)model->train_on_batch(x_, y_);
  model->add(layers::Reshape({.target_shape = {3, 1}}));
  EXPECT_EQ(measured(*model, y_.reshape({40, 3, 1})).at("accuracy"), 0);
}

TEST_F(ChangedLayers, WithWeightsAskForANewOptimizer) {
  const auto model = stack();
  compile(*model);
  fit(*model);
  // As many weights of the same shapes as before.
  model->pop();
  model->add(layers::Dense({.units = 3}));
  const std::vector<Tensor> before = model->get_weights();
  const auto refusal = HasSubstr(
      "were frozen, unfrozen, added or removed since it was trained: call `compile` again");
  EXPECT_THAT(message_of([&] { fit(*model); }), refusal);
  EXPECT_THAT(message_of([&] { (void)model->train_on_batch(x_, y_); }), refusal);
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(bitwise_equal(model->variables()[i]->value(), before[i])) << i;
  }
  compile(*model);
  expect_trains_as(*model, *stack());
}

TEST_F(ChangedLayers, AreSavedAsTheyAre) {
  const Scratch scratch;
  const auto model = stack(), other = stack();
  model->save_weights(scratch / "before.weights.h5");
  for (const auto& each : {model, other}) {
    each->pop();
    each->add(layers::Dense({.units = 2}));
  }
  model->save_weights(scratch / "after.weights.h5");
  other->load_weights(scratch / "after.weights.h5");
  expect_same_bits(model->variables(), other->variables());
}

}  // namespace
}  // namespace lamina

// A loop written by hand is worth as much as `fit`.
#include <gmock/gmock.h>

#include "tests/training/fit_helpers.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::HasSubstr;

TEST(GradientTape, GivesTheStepsThatTrainOnBatchTakes) {
  Random random;
  const Spokes data(random, 60), less(random, 20);
  const ModelPtr compiled = classifier(1), by_hand = classifier(1);
  compiled->compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy"});
  const LossPtr loss = losses::SparseCategoricalCrossentropy();
  const OptimizerPtr optimizer = optimizers::Adam();

  GradientTape tape(*by_hand);
  optimizer->build(tape.variables());
  for (int step = 0; step < 7; ++step) {
    const Spokes& batch = step % 3 == 2 ? less : data;
    const double expected = compiled->train_on_batch(batch.x, batch.y).at("loss");
    const Tensor& predicted = tape.forward({batch.x})[0];
    const LossResult result = loss->value_and_gradient(batch.y, predicted);
    EXPECT_EQ(static_cast<double>(result.value), expected);
    optimizer->apply(tape.gradients({result.gradient}));
  }
  expect_same_bits(compiled->variables(), by_hand->variables());
  expect_same_bits(compiled->optimizer()->variables(), optimizer->variables());
}

TEST(GradientTape, DropsByTheSeedAndTheCall) {
  Random random;
  const Spokes data(random, 60);
  const ModelPtr model = classifier(1, 0.5);
  const auto outputs = [&](std::uint64_t seed, std::uint64_t first, int calls) {
    GradientTape tape(*model, seed, first);
    for (int i = 1; i < calls; ++i) (void)tape.forward({data.x});
    return tape.forward({data.x})[0].clone();
  };
  EXPECT_TRUE(bitwise_equal(outputs(3, 0, 3), outputs(3, 2, 1)));
  EXPECT_FALSE(bitwise_equal(outputs(3, 0, 1), outputs(3, 1, 1)));
  EXPECT_FALSE(bitwise_equal(outputs(3, 0, 1), outputs(4, 0, 1)));
}

TEST(GradientTape, SaysWhatIsWrong) {
  Random random;
  const Spokes data(random, 10);
  const ModelPtr model = classifier(1);
  GradientTape tape(*model);
  EXPECT_THAT(message_of([&] { (void)tape.gradients({data.x}); }), HasSubstr("`forward` first"));
  const Tensor gradient = Tensor::zeros({10, 3});
  (void)tape.forward({data.x});
  (void)tape.gradients({gradient});
  EXPECT_THROW((void)tape.gradients({gradient}), ValueError);
  EXPECT_THROW((void)tape.forward({Tensor::zeros({10, 5})}), ValueError);
  EXPECT_THAT(message_of([&] { (void)tape.gradients({gradient}); }), HasSubstr("`forward` first"));
  const ModelPtr unbuilt = Sequential::create({layers::Dense({.units = 3})});
  EXPECT_THAT(message_of([&] { (void)GradientTape(*unbuilt); }), HasSubstr("not been built"));
}

}  // namespace
}  // namespace lamina

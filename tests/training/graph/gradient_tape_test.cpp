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

/// The rows of a table, as a class of the user's: what its inputs are, its data say.
class Lookup : public SubclassedModel {
 public:
  explicit Lookup(std::int64_t rows) : SubclassedModel({.dtype = "mixed_bfloat16"}) {
    rows_ = track(
        "rows", layers::Embedding({.input_dim = rows, .output_dim = 1, .dtype = "mixed_bfloat16"}));
  }
  std::string class_name() const override { return "Lookup"; }
  SymbolicTensors call(const SymbolicTensors& inputs) override { return {(*rows_)(inputs)}; }

 private:
  LayerPtr rows_;
};

// As `predict` does: bfloat16 has no odd numbers beyond 256.
TEST(GradientTape, LeavesIntegersOfASubclassedModelAsTheyAre) {
  Random random;
  constexpr std::int64_t kRows = 3000;
  const auto model = std::make_shared<Lookup>(kRows);
  model->build({{kNone, 1}});
  std::vector<float> odd(kRows);
  for (std::size_t row = 0; row < odd.size(); ++row) odd[row] = static_cast<float>(row % 2);
  model->variables()[0]->assign(Tensor::from(odd, {kRows, 1}));
  const Tensor ids = random.classes({50, 1}, kRows);
  const Tensor predicted = model->predict(ids);

  GradientTape tape(*model);
  EXPECT_TRUE(bitwise_equal(tape.forward({ids})[0], predicted));
  // Data of another dtype and the same shape come in between.
  (void)tape.forward({Tensor::zeros({50, 1})});
  const Tensor found = tape.forward({ids.cast(DType::kInt32)})[0].cast(DType::kFloat32);
  std::vector<float> counts(kRows, 0);
  for (std::size_t i = 0; i < 50; ++i) {
    const std::int64_t id = ids.data<std::int64_t>()[i];
    EXPECT_EQ(found.data<float>()[i], static_cast<float>(id % 2)) << id;
    ++counts[static_cast<std::size_t>(id)];
  }
  const Tensor ones = Tensor::from(std::vector<float>(50, 1), {50, 1, 1}).cast(DType::kBFloat16);
  const Tensor gradient = tape.gradients({ones})[0];
  for (std::size_t row = 0; row < counts.size(); ++row) {
    EXPECT_EQ(gradient.data<float>()[row], counts[row]) << row;
  }
}

TEST(GradientTape, SaysWhatIsWrong) {
  Random random;
  const Spokes data(random, 10);
  const ModelPtr model = classifier(1);
  GradientTape tape(*model);
  EXPECT_THAT(message_of([&] { (void)tape.gradients({data.x}); }), HasSubstr("`forward` first"));
  const Tensor gradient = Tensor::zeros({10, 3});
  (void)tape.forward({data.x});
  EXPECT_THAT(message_of([&] { (void)tape.gradients({}); }),
              HasSubstr("a gradient for each of the 1 outputs; received 0"));
  EXPECT_THAT(message_of([&] {
                (void)tape.gradients({Tensor::zeros({10, 4})});
              }),
              HasSubstr("the gradient of output 0 should be of shape (10, 3); received (10, 4)"));
  EXPECT_THAT(message_of([&] { (void)tape.gradients({Tensor()}); }),
              HasSubstr("received an undefined tensor"));
  (void)tape.gradients({gradient});  // what did not fit has changed nothing
  EXPECT_THAT(message_of([&] { (void)tape.gradients({gradient}); }),
              HasSubstr("`gradients` is called once after each `forward`"));
  EXPECT_THROW((void)tape.forward({Tensor::zeros({10, 5})}), ValueError);
  EXPECT_THAT(message_of([&] { (void)tape.gradients({gradient}); }), HasSubstr("`forward` first"));
  const ModelPtr unbuilt = Sequential::create({layers::Dense({.units = 3})});
  EXPECT_THAT(message_of([&] { (void)GradientTape(*unbuilt); }), HasSubstr("not been built"));
}

}  // namespace
}  // namespace lamina

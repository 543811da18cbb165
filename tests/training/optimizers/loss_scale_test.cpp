// Loss scaling for float16, as Keras's LossScaleOptimizer does it.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "tests/training/resume/resume_scene.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::HasSubstr;

Tensor times(const Tensor& tensor, float factor) {
  Tensor out = tensor.clone();
  for (float& x : out.data<float>()) x *= factor;
  return out;
}

VariablePtr variable(Random& random) {
  auto made = std::make_shared<Variable>("kernel", random.tensor({3, 1500}));
  made->set_path("dense/kernel");
  return made;
}

TEST(LossScaleOptimizer, TakesTheStepsOfTheInnerOneOnUnscaledGradients) {
  Random random;
  const VariablePtr plain = variable(random);
  const auto scaled = std::make_shared<Variable>("kernel", plain->value().clone());
  scaled->set_path("dense/kernel");
  const OptimizerPtr reference = optimizers::Adam();
  const OptimizerPtr optimizer = optimizers::LossScaleOptimizer(
      {.inner_optimizer = optimizers::Adam(), .initial_scale = 1024, .dynamic_growth_steps = 3});
  reference->build({plain});
  optimizer->build({scaled});
  for (const double scale : {1024, 1024, 1024, 2048, 2048}) {
    EXPECT_EQ(optimizer->loss_scale(), scale);
    const Tensor gradient = random.tensor({3, 1500});
    reference->apply({gradient});
    optimizer->apply({times(gradient, static_cast<float>(scale))});  // powers of two: exact
    EXPECT_TRUE(bitwise_equal(plain->value(), scaled->value()));
  }
  EXPECT_EQ(optimizer->iterations(), 5);
}

TEST(LossScaleOptimizer, CountsTheUpdatesOfAnInnerOneThatAccumulates) {
  Random random;
  const VariablePtr kernel = variable(random);
  const OptimizerPtr optimizer = optimizers::LossScaleOptimizer(
      {.inner_optimizer = optimizers::Adam({.gradient_accumulation_steps = 2})});
  optimizer->build({kernel});
  for (int i = 0; i < 10; ++i) optimizer->apply({random.tensor({3, 1500})});
  EXPECT_EQ(optimizer->steps(), 10);
  EXPECT_EQ(optimizer->iterations(), 5);
}

// As in Keras, which tracks them where Adafactor is built by itself.
TEST(LossScaleOptimizer, CountsNoPlaceholdersOfAdafactor) {
  Random random;
  const auto pair = [&random] {
    auto bias = std::make_shared<Variable>("bias", random.tensor({40}));
    bias->set_path("dense/bias");
    return std::vector<VariablePtr>{bias, variable(random)};
  };
  const std::vector<VariablePtr> plain = pair(), scaled = pair();
  for (std::size_t i = 0; i < plain.size(); ++i) scaled[i]->assign(plain[i]->value().clone());
  const OptimizerPtr reference = optimizers::Adafactor({.learning_rate = 0.1}),
                     inner = optimizers::Adafactor({.learning_rate = 0.1}),
                     optimizer = optimizers::LossScaleOptimizer(
                         {.inner_optimizer = inner, .initial_scale = 1024});
  reference->build(plain);
  optimizer->build(scaled);
  std::vector<std::string> names;
  for (const VariablePtr& each : inner->variables()) names.push_back(each->name());
  EXPECT_THAT(names,
              ::testing::ElementsAre("iteration", "learning_rate", "dense_bias_velocity",
                                     "dense_kernel_r", "dense_kernel_c", "dense_kernel_velocity"));
  EXPECT_EQ(reference->variables().size(), names.size() + 2);
  EXPECT_EQ(optimizer->variables().size(), names.size() + 4);
  for (int step = 0; step < 3; ++step) {
    const Tensor bias = random.tensor({40}), kernel = random.tensor({3, 1500});
    reference->apply({bias, kernel});
    optimizer->apply({times(bias, 1024), times(kernel, 1024)});
    for (std::size_t i = 0; i < plain.size(); ++i) {
      EXPECT_TRUE(bitwise_equal(plain[i]->value(), scaled[i]->value())) << step;
    }
  }
  // One that had been built before keeps what it has.
  EXPECT_EQ(reference->variables().size(), names.size() + 2);
  optimizers::LossScaleOptimizer({.inner_optimizer = reference})->build(plain);
  EXPECT_EQ(reference->variables().size(), names.size() + 2);
  reference->apply({random.tensor({40}), random.tensor({3, 1500})});
}

// Keras keeps it beside what it saves, and on JAX forgets it: it follows from the updates so far.
TEST(LossScaleOptimizer, CountsNoProductOfNadam) {
  Random random;
  const VariablePtr plain = variable(random);
  const auto scaled = std::make_shared<Variable>("kernel", plain->value().clone());
  scaled->set_path("dense/kernel");
  const OptimizerPtr reference = optimizers::Nadam({.learning_rate = 0.1}),
                     inner = optimizers::Nadam({.learning_rate = 0.1}),
                     optimizer = optimizers::LossScaleOptimizer(
                         {.inner_optimizer = inner, .initial_scale = 1024});
  reference->build({plain});
  optimizer->build({scaled});
  EXPECT_EQ(reference->variables().size(), 5U);
  EXPECT_EQ(inner->variables().size(), 4U);
  for (int step = 0; step < 6; ++step) {
    const Tensor gradient = random.tensor({3, 1500});
    reference->apply({gradient});
    optimizer->apply({times(gradient, 1024)});
    for (std::size_t i = 0; i < 4500; ++i) {
      ASSERT_NEAR(scaled->value().data<float>()[i], plain->value().data<float>()[i], 1e-5) << step;
    }
  }
  // One that had been built before keeps what it has.
  optimizers::LossScaleOptimizer({.inner_optimizer = reference})->build({plain});
  EXPECT_EQ(reference->variables().size(), 5U);
}

TEST(LossScaleOptimizer, SkipsAStepAndHalvesTheScaleWhenAGradientIsNotFinite) {
  Random random;
  const VariablePtr kernel = variable(random);
  const OptimizerPtr optimizer = optimizers::LossScaleOptimizer(
      {.inner_optimizer = optimizers::SGD({.momentum = 0.9}), .dynamic_growth_steps = 2});
  optimizer->build({kernel});
  double scale = 32768;
  for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    Tensor gradient = random.tensor({3, 1500});
    gradient.data<float>()[random.integer(0, 4499)] = bad;
    const auto before = values_of({kernel}),
               state = values_of(optimizer->inner_optimizer()->variables());
    optimizer->apply({gradient});
    scale /= 2;
    EXPECT_EQ(optimizer->loss_scale(), scale);
    EXPECT_TRUE(bitwise_equal(kernel->value(), before[0]));
    const auto after = values_of(optimizer->inner_optimizer()->variables());
    for (std::size_t i = 0; i < state.size(); ++i) EXPECT_TRUE(bitwise_equal(after[i], state[i]));
  }
  EXPECT_EQ(optimizer->iterations(), 0);
}

TEST(LossScaleOptimizer, WrapsTheOptimizerOfAMixedFloat16Model) {
  set_dtype_policy("mixed_float16");
  const ModelPtr model = classifier(3);
  set_dtype_policy("float32");
  model->compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy"});
  ASSERT_NE(model->optimizer()->inner_optimizer(), nullptr);
  EXPECT_EQ(model->optimizer()->name(), "loss_scale_optimizer");
  EXPECT_EQ(model->optimizer()->inner_optimizer()->class_name(), "Adam");
  Random random;
  const Spokes data(random, 60);
  double first = 0, last = 0;
  for (int i = 0; i < 60; ++i) {
    last = model->train_on_batch(data.x, data.y).at("loss");
    if (i == 0) first = last;
  }
  EXPECT_LT(last, first);

  model->compile({.optimizer = "adam", .loss = "mse", .auto_scale_loss = false});
  EXPECT_EQ(model->optimizer()->inner_optimizer(), nullptr);
}

/// The same weights under two policies.
std::pair<ModelPtr, ModelPtr> narrow_and_wide() {
  const auto made = [](const char* policy) {
    set_dtype_policy(policy);
    const auto x = layers::Input({.shape = {4}});
    const ModelPtr model = Functional::create(x, layers::Dense({.units = 2})(x));
    set_dtype_policy("float32");
    return model;
  };
  const ModelPtr narrow = made("mixed_float16"), wide = made("float32");
  narrow->variables()[0]->assign(wide->variables()[0]->value().clone());
  return {narrow, wide};
}

TEST(LossScaleOptimizer, KeepsGradientsThatFloat16DoesNotHold) {
  Random random;
  const auto [narrow, wide] = narrow_and_wide();
  const Tensor x = random.tensor({8, 4}), y = random.tensor({8, 2}, 2, 3);
  Tensor weights = Tensor::empty({8});
  for (float& w : weights.data<float>()) w = 1e-8F;
  for (const ModelPtr& model : {narrow, wide}) {
    model->compile({.optimizer = optimizers::SGD({.learning_rate = 1e7}), .loss = "mse"});
    (void)model->train_on_batch({x}, {y}, weights);
  }
  const Tensor moved = narrow->variables()[1]->value(), expected = wide->variables()[1]->value();
  for (std::size_t i = 0; i < 2; ++i) {  // the biases, from 0
    EXPECT_GT(expected.data<float>()[i], 1e-3F);
    EXPECT_NEAR(moved.data<float>()[i], expected.data<float>()[i],
                0.02F * expected.data<float>()[i]);
  }
}

TEST(LossScaleOptimizer, ByHandTakesTheStepsOfTrainOnBatch) {
  Random random;
  const auto [compiled, unused] = narrow_and_wide();
  const auto [by_hand, unused_too] = narrow_and_wide();
  by_hand->variables()[0]->assign(compiled->variables()[0]->value().clone());
  compiled->compile({.optimizer = "adam", .loss = "mse"});
  const OptimizerPtr optimizer =
      optimizers::LossScaleOptimizer({.inner_optimizer = optimizers::Adam()});
  const LossPtr loss = losses::MeanSquaredError();
  GradientTape tape(*by_hand);
  optimizer->build(tape.variables());
  for (int step = 0; step < 3; ++step) {
    const Tensor x = random.tensor({8, 4}), y = random.tensor({8, 2});
    (void)compiled->train_on_batch(x, y);
    const LossResult result =
        loss->value_and_gradient(y, tape.forward({x})[0], {}, optimizer->loss_scale());
    optimizer->apply(tape.gradients({result.gradient}));
  }
  expect_same_bits(compiled->variables(), by_hand->variables());
}

TEST(LossScaleOptimizer, SaysWhatIsWrong) {
  EXPECT_THAT(message_of([] { (void)optimizers::LossScaleOptimizer({}); }), HasSubstr("is null"));
  const OptimizerPtr one = optimizers::LossScaleOptimizer({.inner_optimizer = optimizers::Adam()});
  EXPECT_THAT(message_of([&] { (void)optimizers::LossScaleOptimizer({.inner_optimizer = one}); }),
              HasSubstr("scales the loss itself"));
  EXPECT_THAT(message_of([] {
                (void)optimizers::LossScaleOptimizer(
                    {.inner_optimizer = optimizers::Adam(), .dynamic_growth_steps = 0});
              }),
              HasSubstr("must be positive"));
}

/// Notes the numbers of the steps.
class Steps : public Callback {
 public:
  void on_train_batch_end(FitRun& run, std::int64_t, const Logs&) override {
    seen.push_back(run.step());
  }
  std::vector<std::int64_t> seen;
};

/// A model whose gradients overflow for about ten steps.
ModelPtr overflowing(std::uint64_t seed) {
  set_dtype_policy("mixed_float16");
  const ModelPtr model = classifier(seed);
  set_dtype_policy("float32");
  model->compile({.optimizer = optimizers::LossScaleOptimizer(
                      {.inner_optimizer = optimizers::Adam(), .initial_scale = 1 << 30}),
                  .loss = "sparse_categorical_crossentropy"});
  return model;
}

TEST(Resume, CountsStepsThatLossScalingSkips) {
  Random random;
  const Spokes data(random, 60);
  const Scratch scratch;
  const auto all = std::make_shared<Steps>(), rest = std::make_shared<Steps>();
  const auto checkpoint = [&] {
    return callbacks::ModelCheckpoint(
        {.filepath = scratch / "{epoch}-{batch}.weights.h5", .save_freq = 4});
  };
  const ModelPtr whole = overflowing(1), resumed = overflowing(2);
  (void)whole->fit(data.x, data.y, options({all, checkpoint()}));
  std::vector<std::int64_t> numbers(24);
  std::iota(numbers.begin(), numbers.end(), 1);
  EXPECT_EQ(all->seen, numbers);
  EXPECT_LT(whole->optimizer()->iterations(), 24);
  EXPECT_GT(whole->optimizer()->iterations(), 0);
  FitOptions from = options({rest, checkpoint()});
  from.resume_from = scratch / "1-4.weights.h5";
  (void)resumed->fit(data.x, data.y, from);
  EXPECT_EQ(rest->seen, std::vector<std::int64_t>(numbers.begin() + 4, numbers.end()));
  expect_same_bits(*whole, *resumed);
}

TEST(Dropout, DrawsAnewAfterAStepThatLossScalingSkips) {
  Random random;
  const Spokes data(random, 60);
  const ModelPtr model = overflowing(1);
  const double first = model->train_on_batch(data.x, data.y).at("loss");
  ASSERT_EQ(model->optimizer()->iterations(), 0);
  EXPECT_NE(model->train_on_batch(data.x, data.y).at("loss"), first);
}

}  // namespace
}  // namespace lamina

// Training where the weights are on a device: a fake one that works late, in random order between
// streams, and in poisoned memory, with the kernels' own functors.
#include <gmock/gmock.h>
#include <lamina/gradient_tape.h>

#include <chrono>
#include <future>
#include <thread>

#include "checkpoint/background/save_queue.h"
#include "core/device_memory.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/training/device/device_scene.h"
#include "training/optimizers/penalties.h"
#include "training/optimizers/step_memory.h"

namespace lamina {
namespace {

using namespace test;
using lamina::testing::FakeGpu;
using ::testing::HasSubstr;

constexpr Device kGpu = Device::cuda(0);

class DeviceOptimizer : public ::testing::TestWithParam<OptimizerCase> {};

INSTANTIATE_TEST_SUITE_P(Each, DeviceOptimizer, ::testing::ValuesIn(optimizer_cases()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(DeviceOptimizer, TakesTheStepsOfTheCpu) {
  Random random;
  const FakeGpu gpu({.seed = static_cast<unsigned>(random.integer(0, 1 << 20))}, {2, 1 << 16});
  expect_steps_of_the_cpu(GetParam(), kGpu, random);
  EXPECT_EQ(gpu->used(), 0U);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

// The old values are the save's until it is over, and there is no room for new ones beside them.
TEST(DeviceOptimizer, WaitsForASaveWhereMemoryLacks) {
  Random random;
  constexpr std::int64_t kSize = 1 << 18;
  constexpr std::size_t kBytes = kSize * sizeof(float);
  const FakeGpu gpu({.memory = 2 * kBytes + kBytes / 2}, {2, 1 << 16});
  const auto variable = std::make_shared<Variable>(
      "w", Shape{kSize}, DType::kFloat32,
      [](const Shape& s, DType d) { return Tensor::zeros(s, d); }, true);
  variable->to(kGpu);
  variable->assign(random.tensor({kSize}).to(kGpu));
  training::StepMemory memory;
  variable->assign(memory.writable(variable));  // from now on its memory is the optimizer's
  const std::shared_ptr<void> others = core::allocate_on(kGpu, kBytes);
  {
    const Tensor held = variable->value();
    EXPECT_THROW((void)memory.writable(variable), DeviceError) << "no save holds it";
  }
  std::promise<void> go;
  const auto state = std::make_shared<checkpoint::SaveState>("a.weights.h5");
  checkpoint::save_queue().submit(
      "a", state,
      [value = variable->value(), may = go.get_future().share()](auto&) { may.wait(); });
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    go.set_value();
  });
  const Tensor next = memory.writable(variable);
  later.join();
  EXPECT_TRUE(state->done());
  EXPECT_EQ(next.raw(), variable->value().raw()) << "its own memory, which the save has let go of";
}

TEST(DeviceOptimizer, SaysWhenAWeightIsNoLongerFinite) {
  Random random;
  const FakeGpu gpu;
  const std::vector<VariablePtr> all = variables(random);
  for (const VariablePtr& variable : all) variable->to(kGpu);
  const OptimizerPtr optimizer = optimizers::SGD();
  optimizer->build(all);
  std::vector<Tensor> gradients(all.size());
  const auto step_with = [&](float last) {
    Tensor gradient = random.tensor({7});
    gradient.data<float>()[6] = last;
    gradients[1] = gradient.to(kGpu);
    optimizer->apply(gradients);
    return optimizer->finite();
  };
  EXPECT_TRUE(step_with(1));
  EXPECT_FALSE(step_with(std::numeric_limits<float>::infinity()));
  EXPECT_FALSE(step_with(1)) << "the weight is lost";
  all[1]->assign(random.tensor({7}));
  EXPECT_TRUE(step_with(1));
}

TEST(DeviceOptimizer, RefusesVariablesOnSeveralDevices) {
  Random random;
  const FakeGpu gpu;
  const std::vector<VariablePtr> all = variables(random);
  all[2]->to(kGpu);
  const OptimizerPtr optimizer = optimizers::SGD();
  optimizer->build(all);
  const Tensor before = all[1]->value().clone();
  EXPECT_THAT(message_of([&] { optimizer->apply(std::vector<Tensor>(5, Tensor())); }),
              HasSubstr("received 5 gradients"));
  std::vector<Tensor> gradients(all.size());
  gradients[1] = random.tensor({7});
  EXPECT_THAT(message_of([&] { optimizer->apply(gradients); }),
              HasSubstr("'v1' is on cpu and 'v3' on cuda:0: move the model with to()."));
  EXPECT_TRUE(bitwise_equal(all[1]->value(), before));
}

TEST(DeviceTraining, TrainsWhatTheCpuTrains) {
  Random random;
  const FakeGpu gpu({.seed = static_cast<unsigned>(random.integer(0, 1 << 20))}, {2, 1 << 16});
  {
    const auto seed = static_cast<std::uint64_t>(random.integer(0, 1000));
    expect_same_training(convnet(seed), convnet(seed), kGpu, random, 1e-4);
  }
  EXPECT_EQ(gpu->used(), 0U);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST(DeviceTraining, InMixedPrecision) {
  for (const char* policy : {"mixed_bfloat16", "mixed_float16"}) {
    SCOPED_TRACE(policy);
    Random random;
    const FakeGpu gpu({}, {2, 1 << 16});
    const auto seed = static_cast<std::uint64_t>(random.integer(0, 1000));
    expect_same_training(convnet(seed, policy), convnet(seed, policy), kGpu, random, 5e-2);
  }
}

TEST(DeviceTraining, LeavesFrozenLayersAsTheyAre) {
  Random random;
  const FakeGpu gpu({}, {2, 1 << 16});
  const auto seed = static_cast<std::uint64_t>(random.integer(0, 1000));
  const ModelPtr here = convnet(seed), there = convnet(seed);
  for (const ModelPtr& model : {here, there}) {
    for (const std::size_t i : {1, 2, 4}) model->layers()[i]->set_trainable(false);
  }
  const Tensor frozen = there->layers()[1]->variables()[0]->value().clone();
  expect_same_training(here, there, kGpu, random, 1e-4);
  EXPECT_TRUE(bitwise_equal(there->layers()[1]->variables()[0]->value(), frozen));
}

TEST(DeviceTraining, NeedsNothingNewFromTheThirdStepOn) {
  Random random;
  const FakeGpu gpu({}, {2, 1 << 16});
  const ModelPtr model = convnet(6);
  compile(model, optimizers::Adam());
  model->to(kGpu);
  const auto step = [&] {
    const std::size_t before = gpu->calls();
    (void)model->train_on_batch(random.tensor({5, 8, 8, 3}), random.classes({5}, 3));
    return gpu->calls() - before;
  };
  for (int i = 0; i < 3; ++i) (void)step();
  const std::size_t calls = step(), used = gpu->used(), made = gpu->made();
  const int live = gpu->live();
  for (int i = 0; i < 6; ++i) EXPECT_EQ(step(), calls);
  EXPECT_EQ(gpu->used(), used);
  EXPECT_EQ(gpu->made(), made);
  EXPECT_EQ(gpu->live(), live);
  EXPECT_EQ(gpu->recordings(), 2U) << "forward and backward";
  EXPECT_EQ(gpu->plays(), 2U * 9) << "all but the first of 10 steps";
}

/// To allocate makes a real device wait.
TEST(DeviceTraining, AllocatesNothingToClipNormsAndToScaleLossesFromTheThirdStepOn) {
  Random random;
  const FakeGpu gpu({}, {2, 1 << 16});
  const OptimizerPtr all[] = {
      optimizers::SGD({.momentum = 0.9, .clipnorm = 1.0}),
      optimizers::Adam({.global_clipnorm = 1.0}),
      optimizers::LossScaleOptimizer({.inner_optimizer = optimizers::SGD(), .initial_scale = 8})};
  for (const OptimizerPtr& optimizer : all) {
    SCOPED_TRACE(optimizer->class_name());
    const ModelPtr model = convnet(7, "mixed_float16");
    compile(model, optimizer);
    model->to(kGpu);
    const auto step = [&] {
      (void)model->train_on_batch(random.tensor({5, 8, 8, 3}), random.classes({5}, 3));
    };
    for (int i = 0; i < 3; ++i) step();
    const std::size_t before = gpu->allocations();
    for (int i = 0; i < 3; ++i) step();
    EXPECT_EQ(gpu->allocations(), before);
  }
}

TEST(DeviceTraining, PenaltiesComeWithTheOutputs) {
  Random random;
  const FakeGpu gpu({}, {2, 1 << 16});
  const auto calls_of_a_step = [&](const Regularizer& regularizer) {
    const auto dense = [&](std::int64_t units) {
      return layers::Dense({.units = units, .kernel_regularizer = regularizer});
    };
    const auto x = layers::Input({.shape = {4}});
    const ModelPtr model = Functional::create(x, dense(3)(dense(8)(x)));
    compile(model, optimizers::Adam({.use_ema = true}));
    model->to(kGpu);
    std::size_t calls = 0;
    for (int step = 0; step < 5; ++step) {  // the first ones need something new
      const std::size_t before = gpu->calls();
      (void)model->train_on_batch(random.tensor({5, 4}), random.classes({5}, 3));
      calls = gpu->calls() - before;
    }
    return calls;
  };
  // For each of two kernels one job for the sum and one for the gradient. Another copy, another
  // wait, other memory would be calls as well.
  EXPECT_EQ(calls_of_a_step(regularizers::L1L2{0.1, 0.2}), calls_of_a_step({}) + 2 * 2);
}

// A launch of nothing is an error of CUDA's.
TEST(DeviceTraining, PenaltiesOfVariablesWithoutElementsAreNoWork) {
  Random random;
  const FakeGpu gpu({}, {2, 1 << 16});
  const auto calls = [&](const Regularizer& regularizer) {
    const auto full = std::make_shared<Variable>("full", random.tensor({5, 4}));
    const auto none = std::make_shared<Variable>("none", Tensor::zeros({0, 4}));
    full->set_regularizer(regularizers::L2{0.5});
    none->set_regularizer(regularizer);
    full->to(kGpu);
    none->to(kGpu);
    const std::vector<Tensor> gradients = {random.tensor({5, 4}).to(kGpu),
                                           Tensor::zeros({0, 4}).to(kGpu)};
    training::Penalties penalties({full, none}, kGpu);
    const std::size_t before = gpu->calls();
    (void)penalties.sums();
    penalties.add_gradients(gradients, 1, [](std::size_t) { return false; });
    const std::size_t made = gpu->calls() - before;
    (void)gradients[0].to(Device::cpu());  // waits for all
    return made;
  };
  (void)calls({});  // the first one needs something new
  const std::size_t plain = calls({});
  EXPECT_GT(plain, 0U);
  EXPECT_EQ(calls(regularizers::L1{0.5}), plain);
  EXPECT_EQ(calls(regularizers::OrthogonalRegularizer{0.5}), plain);
}

TEST(DeviceTraining, PenaltiesOfEvaluationAreAskedForOnceForTheSameWeights) {
  Random random;
  const FakeGpu gpu({}, {2, 1 << 16});
  const Tensor images = random.tensor({15, 4}), labels = random.classes({15}, 3);
  std::vector<double> losses;
  const auto calls_of_an_evaluation = [&](const Regularizer& regularizer) {
    set_random_seed(8);
    const auto x = layers::Input({.shape = {4}});
    const ModelPtr model =
        Functional::create(x, layers::Dense({.units = 3, .kernel_regularizer = regularizer})(x));
    compile(model, optimizers::SGD());
    model->to(kGpu);
    const auto evaluate = [&] {
      const std::size_t before = gpu->calls();
      losses.push_back(
          model->evaluate(images, labels, {.batch_size = 5, .verbose = Verbose::kSilent})
              .at("loss"));
      return gpu->calls() - before;
    };
    for (int i = 0; i < 3; ++i) (void)evaluate();
    const std::size_t again = evaluate();
    const VariablePtr kernel = model->trainable_variables().front();
    kernel->assign(Tensor::from(std::vector<float>(12, 2.0F), {4, 3}));
    (void)evaluate();
    return again;
  };
  const std::size_t plain = calls_of_an_evaluation({});
  EXPECT_EQ(calls_of_an_evaluation(regularizers::L2{0.5}), plain);
  ASSERT_EQ(losses.size(), 10U);
  EXPECT_NEAR(losses[9] - losses[4], 0.5 * 12 * 4, 1e-4) << "of the weights of before";
}

TEST(DeviceTraining, ByHandGivesTheBitsOfTrainOnBatch) {
  Random random;
  const FakeGpu gpu({}, {2, 1 << 16});
  const ModelPtr whole = convnet(3), by_hand = convnet(3);
  whole->to(kGpu);
  by_hand->to(kGpu);
  compile(whole, optimizers::Adam({.learning_rate = 0.01}));
  compile(by_hand, optimizers::Adam({.learning_rate = 0.01}));
  GradientTape tape(*by_hand);
  const LossPtr loss = losses::SparseCategoricalCrossentropy({.from_logits = true});
  by_hand->optimizer()->build(tape.variables());
  for (int step = 0; step < 3; ++step) {
    const Tensor x = random.tensor({5, 8, 8, 3}), y = random.classes({5}, 3);
    (void)whole->train_on_batch(x, y);
    const Tensor& predicted = tape.forward({x})[0];
    EXPECT_EQ(predicted.device(), Device::cpu());
    const LossResult result = loss->value_and_gradient(y, predicted);
    const std::vector<Tensor>& gradients = tape.gradients({result.gradient});
    EXPECT_EQ(gradients[0].device(), kGpu);
    by_hand->optimizer()->apply(gradients);
  }
  expect_same_bits(*whole, *by_hand);
}

TEST(DeviceTraining, GoesOnOnTheCpuAndBack) {
  Random random;
  const FakeGpu gpu({}, {2, 1 << 16});
  const ModelPtr here = convnet(4), moving = convnet(4);
  for (const ModelPtr& model : {here, moving}) {
    compile(model, optimizers::SGD({.learning_rate = 0.05, .momentum = 0.9}));
  }
  for (const Device device : {kGpu, Device::cpu(), kGpu}) {
    moving->to(device);
    const Tensor x = random.tensor({5, 8, 8, 3}), y = random.classes({5}, 3);
    const double cpu = here->train_on_batch(x, y).at("loss");
    EXPECT_NEAR(moving->train_on_batch(x, y).at("loss"), cpu, 1e-4 * (1 + cpu));
    for (const VariablePtr& variable : moving->optimizer()->variables()) {
      if (variable->shape().rank() == 0) continue;  // the iteration, the learning rate
      EXPECT_EQ(variable->device(), device) << variable->path();
    }
  }
  expect_near(moving->variables(), here->variables(), 2e-3);
}

TEST(DeviceTraining, IdsThatAnEmbeddingLacksAreFoundBeforeAWeightChanges) {
  Random random;
  const FakeGpu gpu({}, {2, 1 << 16});
  set_random_seed(1);
  auto x = layers::Input({.shape = {4}, .dtype = "int32"});
  auto y = layers::Embedding({.input_dim = 9, .output_dim = 3})(x);
  const ModelPtr model = Functional::create(x, layers::Dense({.units = 2})(layers::Flatten()(y)));
  model->compile({.optimizer = optimizers::SGD(), .loss = "mse"});
  model->to(kGpu);
  Tensor ids = random.classes({3, 4}, 9).cast(DType::kInt32);
  const Tensor labels = random.tensor({3, 2});
  (void)model->train_on_batch(ids, labels);
  const std::vector<Tensor> before = values_of(model->variables());
  ids.data<std::int32_t>()[5] = 9;
  EXPECT_THAT(message_of([&] { (void)model->train_on_batch(ids, labels); }),
              HasSubstr("the id at position 5 is outside [0, 9)"));
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(bitwise_equal(model->variables()[i]->value(), before[i])) << i;
  }
  ids.data<std::int32_t>()[5] = 8;
  (void)model->train_on_batch(ids, labels);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{}) << "backward goes on meanwhile";
}

// What fails only where memory is given back hurts nobody.
TEST(DeviceTraining, AFailureOfTheDeviceIsThrownOrDoesNoHarmAndNothingIsKeptOnIt) {
  Random random;
  const FakeGpu gpu({}, {2, 1 << 16});
  {
    const Tensor x = random.tensor({5, 8, 8, 3}), y = random.classes({5}, 3);
    int failures = 0;
    // A draw may be of calls alone whose failure does no harm.
    for (int attempt = 0; attempt < 10 || (failures == 0 && attempt < 200); ++attempt) {
      const ModelPtr model = convnet(5), undisturbed = convnet(5);
      for (const ModelPtr& each : {model, undisturbed}) {
        compile(each, optimizers::Adam({.learning_rate = 0.01}));
        each->to(kGpu);
        (void)each->train_on_batch(x, y);
      }
      const std::size_t before = gpu->calls();
      (void)undisturbed->train_on_batch(x, y);
      const auto n = static_cast<std::size_t>(
          random.integer(0, static_cast<std::int64_t>(gpu->calls() - before) - 1));
      gpu->fail_at(n);
      bool failed = false;
      try {
        (void)model->train_on_batch(x, y);
      } catch (const DeviceError& error) {
        failed = true;
        EXPECT_THAT(error.what(), HasSubstr("injected fault"));
      }
      gpu->fail_never();
      failures += failed ? 1 : 0;
      if (!failed) expect_same_bits(*undisturbed, *model);
    }
    EXPECT_GT(failures, 0);
  }
  EXPECT_EQ(gpu->used(), 0U);
}

}  // namespace
}  // namespace lamina

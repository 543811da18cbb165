// Training on a GPU against the CPU.
#include "device.h"
#include "tests/training/device_scene.h"

namespace lamina {
namespace {

using namespace test;

class GpuOptimizer : public ::testing::TestWithParam<OptimizerCase> {};
INSTANTIATE_TEST_SUITE_P(Each, GpuOptimizer, ::testing::ValuesIn(optimizer_cases()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(GpuOptimizer, TakesTheStepsOfTheCpu) {
  LAMINA_NEED_GPU();
  Random random;
  expect_steps_of_the_cpu(GetParam(), Device::cuda(), random);
}

TEST(GpuTraining, TrainsWhatTheCpuTrains) {
  LAMINA_NEED_GPU();
  Random random;
  const auto seed = static_cast<std::uint64_t>(random.integer(0, 1000));
  expect_same_training(convnet(seed), convnet(seed), Device::cuda(), random, 1e-3);
}

TEST(GpuTraining, InMixedPrecision) {
  LAMINA_NEED_GPU();
  Random random;
  for (const char* policy : {"mixed_bfloat16", "mixed_float16"}) {
    SCOPED_TRACE(policy);
    const auto seed = static_cast<std::uint64_t>(random.integer(0, 1000));
    expect_same_training(convnet(seed, policy), convnet(seed, policy), Device::cuda(), random,
                         5e-2);
  }
}

TEST(GpuTraining, OfAnApplicationGivesTheSameBitsTwice) {
  LAMINA_NEED_GPU();
  Random random;
  const auto seed = static_cast<std::uint64_t>(random.integer(0, 1000));
  const auto made = [&] {
    set_random_seed(seed);
    ModelPtr model = applications::EfficientNetV2B0(
        {.include_top = true, .input_shape = Shape{64, 64, 3}, .classes = 10});
    model->compile({.optimizer = optimizers::SGD({.learning_rate = 0.01, .momentum = 0.9}),
                    .loss = "sparse_categorical_crossentropy"});
    return model;
  };
  const ModelPtr here = made(), once = made(), again = made();
  once->to(Device::cuda());
  again->to(Device::cuda());
  for (int step = 0; step < 4; ++step) {
    const Tensor x = random.tensor({6, 64, 64, 3}, 0, 255), y = random.classes({6}, 10);
    const double cpu = here->train_on_batch(x, y).at("loss");
    EXPECT_NEAR(once->train_on_batch(x, y).at("loss"), cpu, 5e-3 * (1 + cpu)) << step;
    (void)again->train_on_batch(x, y);
  }
  expect_same_bits(*once, *again);
}

}  // namespace
}  // namespace lamina

// Training on a GPU against the CPU.
#include <algorithm>
#include <cmath>
#include <tuple>

#include "device.h"
#include "tests/training/device/loss_scene.h"

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

// Not to the bit: a GPU contracts products and sums, has functions of its own, and adds up the
// parts of a long row in another order.
TEST(GpuTraining, HasTheGradientsOfLosses) {
  LAMINA_NEED_GPU();
  Random random;
  for_losses_on(Device::cuda(), random,
                [](const Tensor& got, const Tensor& wanted, const std::string& what) {
                  ASSERT_EQ(got.dtype(), wanted.dtype()) << what;
                  const double relative = wanted.dtype() == DType::kBFloat16  ? 2e-2
                                          : wanted.dtype() == DType::kFloat16 ? 4e-3
                                                                              : 2e-4;
                  const Tensor a = got.cast(DType::kFloat64), b = wanted.cast(DType::kFloat64);
                  for (std::size_t i = 0; i < static_cast<std::size_t>(b.size()); ++i) {
                    const double x = a.data<double>()[i], y = b.data<double>()[i];
                    if (x == y) continue;  // infinite ones, too
                    ASSERT_LE(std::abs(x - y), relative * (1 + std::abs(y))) << what << " at " << i;
                  }
                });
}

ModelPtr application(std::uint64_t seed, double momentum) {
  set_random_seed(seed);
  ModelPtr model = applications::EfficientNetV2B0(
      {.include_top = true, .input_shape = Shape{64, 64, 3}, .classes = 10});
  model->compile({.optimizer = optimizers::SGD({.learning_rate = 0.01, .momentum = momentum}),
                  .loss = "sparse_categorical_crossentropy"});
  return model;
}

std::vector<Tensor> values_of(const Model& model) {
  std::vector<Tensor> out;
  for (const VariablePtr& variable : model.variables()) {
    out.push_back(variable->value().to(Device::cpu()).clone());
  }
  return out;
}

double distance(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].dtype() != DType::kFloat32) continue;
    for (std::size_t k = 0; k < static_cast<std::size_t>(a[i].size()); ++k) {
      squares += std::pow(static_cast<double>(a[i].data<float>()[k]) - b[i].data<float>()[k], 2);
    }
  }
  return std::sqrt(squares);
}

/// Where two sets of weights are furthest apart, and how far they were to move there.
std::string furthest(const Model& model, const std::vector<Tensor>& got,
                     const std::vector<Tensor>& wanted, const std::vector<Tensor>& before) {
  std::vector<std::tuple<double, double, std::string>> rows;
  for (std::size_t i = 0; i < got.size(); ++i) {
    rows.emplace_back(distance({got[i]}, {wanted[i]}), distance({before[i]}, {wanted[i]}),
                      model.variables()[i]->path());
  }
  std::sort(rows.rbegin(), rows.rend());
  std::string out;
  for (std::size_t i = 0; i < std::min<std::size_t>(rows.size(), 12); ++i) {
    const auto& [apart, moved, path] = rows[i];
    out += path + ": " + std::to_string(apart) + " of " + std::to_string(moved) + "\n";
  }
  return out;
}

/// From the same weights at each step: a deep network in training makes ten times of a difference
/// what it was a step before.
TEST(GpuTraining, OfAnApplicationTakesTheStepsOfTheCpu) {
  LAMINA_NEED_GPU();
  Random random;
  const auto seed = static_cast<std::uint64_t>(random.integer(0, 1000));
  const ModelPtr here = application(seed, 0), there = application(seed, 0);
  there->to(Device::cuda());
  for (int step = 0; step < 4; ++step) {
    SCOPED_TRACE(step);
    const std::vector<Tensor> before = values_of(*here);
    const auto variables = there->variables();
    for (std::size_t i = 0; i < variables.size(); ++i) variables[i]->assign(before[i]);
    const Tensor x = random.tensor({6, 64, 64, 3}, 0, 255), y = random.classes({6}, 10);
    const double cpu = here->train_on_batch(x, y).at("loss");
    EXPECT_NEAR(there->train_on_batch(x, y).at("loss"), cpu, 1e-3 * (1 + cpu));
    const std::vector<Tensor> wanted = values_of(*here);
    const std::vector<Tensor> got = values_of(*there);
    EXPECT_LT(distance(got, wanted), 1e-2 * distance(before, wanted))
        << furthest(*here, got, wanted, before);
  }
}

TEST(GpuTraining, OfAnApplicationGivesTheSameBitsTwice) {
  LAMINA_NEED_GPU();
  Random random;
  const auto seed = static_cast<std::uint64_t>(random.integer(0, 1000));
  const ModelPtr once = application(seed, 0.9), again = application(seed, 0.9);
  once->to(Device::cuda());
  again->to(Device::cuda());
  for (int step = 0; step < 4; ++step) {
    const Tensor x = random.tensor({6, 64, 64, 3}, 0, 255), y = random.classes({6}, 10);
    const double loss = once->train_on_batch(x, y).at("loss");
    EXPECT_TRUE(std::isfinite(loss));
    EXPECT_EQ(again->train_on_batch(x, y).at("loss"), loss) << step;
  }
  expect_same_bits(*once, *again);
}

}  // namespace
}  // namespace lamina

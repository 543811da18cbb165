// What stateful layers carry from batch to batch, on a device as on the CPU: through runs that are
// recorded and played again, with the next batch sent ahead. Also a part of test_gpu.
#include "tests/fakes/tested_gpu.h"
#include "tests/training/device/device_scene.h"

namespace lamina {
namespace {

using namespace test;
using lamina::testing::TestedGpu;

constexpr std::int64_t kRows = 4, kBatches = 6;
constexpr double kNear = 1e-4;

ModelPtr reader(std::uint64_t seed) {
  set_random_seed(seed);
  const auto x = layers::Input({.batch_shape = Shape{kRows, 3, 2}});
  const auto h = layers::LSTM({.units = 5, .stateful = true})(x);
  ModelPtr model = Functional::create(x, layers::Dense({.units = 3})(h));
  compile(model, optimizers::SGD({.learning_rate = 0.05}));
  return model;
}

class DeviceStates : public ::testing::Test {
 protected:
  void SetUp() override { LAMINA_NEED_TESTED_GPU(); }
};

TEST_F(DeviceStates, GoFromBatchToBatchAsOnTheCpu) {
  Random random;
  const TestedGpu gpu({.seed = static_cast<unsigned>(random.integer(0, 1 << 20))}, {2, 1 << 12});
  {
    const ModelPtr here = reader(1), there = reader(1);
    const Tensor x = random.tensor({kBatches * kRows, 3, 2}),
                 y = random.classes({kBatches * kRows}, 3);
    const auto expect_states = [&](Device device) {
      for (const VariablePtr& state : layers::states(*there)) EXPECT_EQ(state->device(), device);
      expect_near(layers::states(*there), layers::states(*here), kNear);
    };
    const auto expect_predictions = [&] {
      const PredictOptions by_batch{.batch_size = kRows};
      expect_near(there->predict(x, by_batch), here->predict(x, by_batch), kNear, "prediction");
    };
    expect_predictions();
    there->to(Device::cuda());
    expect_states(Device::cuda());  // which the move has taken along
    for (int pass = 0; pass < 2; ++pass) {
      expect_predictions();
      expect_states(Device::cuda());
    }
    for (const ModelPtr& model : {here, there}) layers::reset_state(*model);
    expect_states(Device::cuda());
    const FitOptions in_order{
        .batch_size = kRows, .epochs = 2, .verbose = Verbose::kSilent, .shuffle = false};
    for (const ModelPtr& model : {here, there}) (void)model->fit(x, y, in_order);
    expect_near(there->variables(), here->variables(), kNear);
    expect_states(Device::cuda());
    const EvaluateOptions by_batch{.batch_size = kRows, .verbose = Verbose::kSilent};
    const double wanted = here->evaluate(x, y, by_batch).at("loss");
    EXPECT_NEAR(there->evaluate(x, y, by_batch).at("loss"), wanted, kNear * (1 + wanted));
    there->to(Device::cpu());
    expect_states(Device::cpu());
    expect_predictions();
  }
  gpu.expect_unused();
  gpu.expect_order();
}

}  // namespace
}  // namespace lamina

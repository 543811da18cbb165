// Training while a save in the background is stuck: neither waits for the other, and each has the
// values that it had without it.
#include <gtest/gtest.h>

#include "checkpoint/background/save_queue.h"
#include "checkpoint/save/save.h"
#include "checkpoint/save/save_job.h"
#include "models/weights/model_weights.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/fakes/gated_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/training/device/device_scene.h"

namespace lamina {
namespace {

using namespace test;
using lamina::testing::FakeGpu;
using lamina::testing::GatedStorage;
using lamina::testing::TemporaryDirectory;

/// Weights and optimizer, on the host.
std::vector<Tensor> all_values(const Model& model) {
  std::vector<Tensor> out;
  for (const auto& group : {model.variables(), model.optimizer()->variables()}) {
    for (const VariablePtr& variable : group) {
      out.push_back(variable->value().to(Device::cpu()).clone());
    }
  }
  return out;
}

void expect_same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(bitwise_equal(a[i], b[i])) << i;
}

void train_while_a_save_is_stuck(Device device, Random& random) {
  const TemporaryDirectory directory(lamina::testing::memory_directory());
  const auto file = directory / "m.weights.h5";
  const auto seed = static_cast<std::uint64_t>(random.integer(0, 1000));
  const auto make = [&](Device place) {
    const ModelPtr model = convnet(seed);
    compile(model, optimizers::Adam({.learning_rate = 0.01}));
    model->to(place);
    return model;
  };
  const ModelPtr model = make(device), undisturbed = make(device);
  const auto train = [&] {
    for (int step = 0; step < 3; ++step) {
      const Tensor x = random.tensor({5, 8, 8, 3}), y = random.classes({5}, 3);
      (void)model->train_on_batch(x, y);
      (void)undisturbed->train_on_batch(x, y);
    }
  };
  train();
  const std::vector<Tensor> before = all_values(*model);

  GatedStorage gate;
  gate.close_gate();
  models::KeptNames names;
  const auto job = std::make_shared<checkpoint::SaveJob>(
      models::begin_model_save(*model, names, file, {}, gate).value());
  const auto state = std::make_shared<checkpoint::SaveState>(file);
  const std::string key = checkpoint::save_key(file, false);
  checkpoint::save_queue().submit(
      key, state, [job, &gate](checkpoint::SaveState& s) { run_save(*job, gate, s); });
  const std::shared_ptr<void> at_last(nullptr, [&](void*) {  // whatever is thrown
    gate.open_gate();
    checkpoint::save_queue().wait_for(key);
  });
  gate.wait_for_writer();
  train();
  EXPECT_FALSE(state->done());
  EXPECT_FALSE(std::filesystem::exists(file));
  gate.open_gate();
  checkpoint::SaveState::handle(state).wait();

  const ModelPtr loaded = make(Device::cpu());
  loaded->load_weights(file);
  expect_same(all_values(*loaded), before);
  const std::vector<Tensor> after = all_values(*model);
  expect_same(after, all_values(*undisturbed));
  EXPECT_FALSE(std::equal(after.begin(), after.end(), before.begin(), before.end(), bitwise_equal));
}

TEST(StuckSave, LetsTheCpuTrain) {
  Random random;
  train_while_a_save_is_stuck(Device::cpu(), random);
}

TEST(StuckSave, LetsADeviceTrain) {
  Random random;
  const FakeGpu gpu({.seed = static_cast<unsigned>(random.integer(0, 1 << 20))}, {2, 1 << 12});
  train_while_a_save_is_stuck(Device::cuda(0), random);
  EXPECT_EQ(gpu->used(), 0U);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

}  // namespace
}  // namespace lamina

// A run on a device that stops anywhere and goes on gives the same bits as one that did not stop.
// Also a part of test_gpu.
#include "tests/fakes/tested_gpu.h"
#include "tests/training/device/device_scene.h"

namespace lamina {
namespace {

using namespace test;
using lamina::testing::TestedGpu;

constexpr std::int64_t kNever = 1000;

struct Data {
  Tensor x, y;
};

/// Trains there, with a backup at each step, until it has crashed or is done.
ModelPtr trained(const Data& data, std::uint64_t seed, std::int64_t crash, bool asynchronous,
                 const Scratch& scratch) {
  const ModelPtr model = convnet(seed);
  model->to(Device::cuda());
  compile(model, optimizers::Adam({.learning_rate = 0.01}));
  const FitOptions options{
      .batch_size = 5,
      .epochs = 2,
      .verbose = Verbose::kSilent,
      .callbacks = {std::make_shared<Crash>(crash),
                    callbacks::BackupAndRestore({.backup_dir = scratch / "backup",
                                                 .save_freq = 1,
                                                 .asynchronous = asynchronous})},
      .validation_split = 0.2,
      .seed = 5};
  if (crash == kNever) {
    (void)model->fit(data.x, data.y, options);
  } else {
    EXPECT_EQ(message_of([&] { (void)model->fit(data.x, data.y, options); }), "crash");
  }
  return model;
}

class DeviceResume : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override { LAMINA_NEED_TESTED_GPU(); }
};
INSTANTIATE_TEST_SUITE_P(Written, DeviceResume, ::testing::Bool(), [](const auto& info) {
  return info.param ? "InTheBackground" : "AtOnce";
});

TEST_P(DeviceResume, AfterACrashAtAnyStepGivesTheSameBits) {
  Random random;
  const TestedGpu gpu({.seed = static_cast<unsigned>(random.integer(0, 1 << 20))}, {2, 1 << 12});
  {
    const Data data{random.tensor({22, 8, 8, 3}), random.classes({22}, 3)};
    const Scratch scratch;
    const ModelPtr undisturbed = trained(data, 1, kNever, GetParam(), scratch);
    (void)trained(data, 1, random.integer(1, 6), GetParam(), scratch);
    const ModelPtr resumed = trained(data, 2, kNever, GetParam(), scratch);
    for (const VariablePtr& variable : resumed->variables()) {
      EXPECT_EQ(variable->device(), Device::cuda());
    }
    expect_same_bits(*undisturbed, *resumed);
  }
  gpu.expect_unused();
  gpu.expect_order();
}

}  // namespace
}  // namespace lamina

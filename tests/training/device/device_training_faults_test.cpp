// The n-th call of the runtime fails, for every n of a training step on a device.
#include <gmock/gmock.h>

#include "tests/fakes/fake_gpu.h"
#include "tests/training/device/device_scene.h"

namespace lamina {
namespace {

using namespace test;
using lamina::testing::FakeGpu;
using lamina::testing::FakeRuntime;
using ::testing::HasSubstr;

constexpr Device kGpu = Device::cuda(0);

/// Without dropout: its draws would follow the number of steps, failed ones too.
ModelPtr small_net() {
  set_random_seed(5);
  auto x = layers::Input({.shape = {6, 6, 2}});
  auto y = layers::Conv2D({.filters = 3, .kernel_size = 3})(x);
  y = layers::BatchNormalization({.momentum = 0.7})(y);
  y = layers::Activation({.activation = "tanh"})(y);
  y = layers::GlobalAveragePooling2D()(y);
  const ModelPtr model = Functional::create(x, layers::Dense({.units = 3})(y));
  compile(model, optimizers::Adam({.learning_rate = 0.01}));
  model->to(kGpu);
  return model;
}

/// Copies of the weights and of the optimizer's variables.
std::vector<Tensor> state_of(Model& model) {
  std::vector<VariablePtr> all = model.variables();
  for (const VariablePtr& variable : model.optimizer()->variables()) all.push_back(variable);
  std::vector<Tensor> out;
  for (const VariablePtr& variable : all) {
    const Tensor value = variable->value();
    out.push_back(value.device() == Device::cpu() ? value.clone() : value.to(Device::cpu()));
  }
  return out;
}

bool equal(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), bitwise_equal);
}

class DeviceTrainingFaults : public ::testing::TestWithParam<FakeRuntime::Fault> {
 protected:
  void step(const ModelPtr& model) const { (void)model->train_on_batch(x_, y_); }

  Random random_;
  const Tensor x_ = random_.tensor({4, 6, 6, 2}), y_ = random_.classes({4}, 3);
  const unsigned seed_ = static_cast<unsigned>(random_.integer(0, 1 << 20));
  const Scratch scratch_;
};

INSTANTIATE_TEST_SUITE_P(Each, DeviceTrainingFaults,
                         ::testing::Values(FakeRuntime::Fault::kNow, FakeRuntime::Fault::kLater),
                         [](const auto& info) {
                           return info.param == FakeRuntime::Fault::kNow ? "Now" : "Later";
                         });

TEST_P(DeviceTrainingFaults, OfAnyCallOfAStepAreThrownOrDoNoHarm) {
  const auto path = scratch_ / "m.weights.h5";
  std::vector<Tensor> before, after;
  {
    const FakeGpu gpu({.seed = seed_}, {2, 1 << 12});
    const ModelPtr model = small_net();
    step(model);
    model->save_weights(path);
    before = state_of(*model);
    step(model);
    after = state_of(*model);
    ASSERT_FALSE(equal(before, after));
  }
  int failures = 0;
  bool reached = true;
  for (std::size_t n = 0; reached && n < 2000; ++n) {
    SCOPED_TRACE(n);
    const FakeGpu gpu({.seed = seed_ + static_cast<unsigned>(n)}, {2, 1 << 12});
    {
      const ModelPtr model = small_net();
      step(model);
      ASSERT_TRUE(equal(state_of(*model), before));
      gpu->fail_at(n, "cudaErrorLaunchFailure", GetParam());
      bool failed = false;
      try {
        step(model);
      } catch (const DeviceError& error) {
        failed = true;
        EXPECT_THAT(error.what(), HasSubstr("injected fault"));
      }
      reached = gpu->calls() > n;
      gpu->fail_never();
      failures += failed ? 1 : 0;
      EXPECT_TRUE(reached || !failed);
      try {
        const std::vector<Tensor> now = state_of(*model);
        for (std::size_t i = 0; i < now.size(); ++i) {
          const bool is_new = bitwise_equal(now[i], after[i]);
          EXPECT_TRUE(is_new || (failed && bitwise_equal(now[i], before[i]))) << "variable " << i;
        }
        model->load_weights(path);
        EXPECT_TRUE(equal(state_of(*model), before));
        step(model);
        EXPECT_TRUE(equal(state_of(*model), after)) << "a step behind the failure is another one";
      } catch (const DeviceError& error) {
        // Work that failed ends its stream, as on CUDA devices: that is said again, each time. Of
        // what a step leaves to be done behind its end it is said here first.
        EXPECT_EQ(GetParam(), FakeRuntime::Fault::kLater) << error.what();
        EXPECT_THROW(step(model), DeviceError);
      }
    }
    EXPECT_EQ(gpu->used(), 0U);
    EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_FALSE(reached);
  EXPECT_GT(failures, 10);
}

// Of batches on their way beside a step nothing is said, or it is said at a step: either the run
// ends with the weights of one that nothing disturbed, or it says that it failed.
TEST_P(DeviceTrainingFaults, OfAnyCallOfARunAreThrownOrDoNoHarm) {
  const Tensor x = random_.tensor({12, 6, 6, 2}), y = random_.classes({12}, 3);
  const auto fit = [&](const ModelPtr& model) {
    (void)model->fit(x, y, {.batch_size = 4, .verbose = Verbose::kSilent, .seed = 1});
  };
  std::vector<Tensor> after;
  {
    const FakeGpu gpu({.seed = seed_}, {2, 1 << 12});
    const ModelPtr model = small_net();
    fit(model);
    after = state_of(*model);
  }
  int failures = 0;
  bool reached = true;
  for (std::size_t n = 0; reached && n < 5000;
       n += static_cast<std::size_t>(random_.integer(1, 4))) {
    SCOPED_TRACE(n);
    const FakeGpu gpu({.seed = seed_ + static_cast<unsigned>(n)}, {2, 1 << 12});
    {
      const ModelPtr model = small_net();
      gpu->fail_at(n, "cudaErrorLaunchFailure", GetParam());
      bool failed = false;
      try {
        fit(model);
      } catch (const DeviceError& error) {
        failed = true;
        EXPECT_THAT(error.what(), HasSubstr("injected fault"));
      }
      reached = gpu->calls() > n;
      gpu->fail_never();
      failures += failed ? 1 : 0;
      try {
        if (!failed) {
          EXPECT_TRUE(equal(state_of(*model), after));
        }
      } catch (const DeviceError& error) {
        // Of what the last step leaves to be done behind its end it is said here first.
        EXPECT_EQ(GetParam(), FakeRuntime::Fault::kLater) << error.what();
      }
    }
    EXPECT_EQ(gpu->used(), 0U);
    EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_FALSE(reached);
  EXPECT_GT(failures, 10);
}

}  // namespace
}  // namespace lamina

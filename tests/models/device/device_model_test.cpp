// Models whose weights live on a device: what can be done with them, and what happens without one.
#include <gmock/gmock.h>
#include <lamina/lamina.h>

#include <random>

#include "runtime/devices.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina {
namespace {

using testing::FakeGpu;
using ::testing::HasSubstr;
using testing::memory_directory;
using testing::TemporaryDirectory;

constexpr Device kGpu = Device::cuda(0);

ModelPtr small_model() {
  return Sequential::create({layers::InputLayer({.shape = {6}}), layers::Dense({.units = 5}),
                             layers::Dense({.units = 3})});
}

std::vector<Tensor> values(const Model& model) {
  std::vector<Tensor> out;
  for (const VariablePtr& variable : model.variables()) out.push_back(variable->value());
  return out;
}

void expect_equal(const Model& a, const Model& b) {
  const std::vector<Tensor> of_a = values(a), of_b = values(b);
  ASSERT_EQ(of_a.size(), of_b.size());
  for (std::size_t i = 0; i < of_a.size(); ++i) EXPECT_TRUE(bitwise_equal(of_a[i], of_b[i])) << i;
}

void expect_on(const Model& model, Device device) {
  for (const VariablePtr& variable : model.variables()) {
    EXPECT_EQ(variable->device(), device);
    EXPECT_EQ(variable->value().device(), device);
  }
}

/// Within what the order of a sum changes.
void expect_near(const Tensor& got, const Tensor& wanted) {
  ASSERT_EQ(got.device(), Device::cpu());
  ASSERT_EQ(got.shape(), wanted.shape());
  for (std::size_t i = 0; i < static_cast<std::size_t>(wanted.size()); ++i) {
    EXPECT_NEAR(got.data<float>()[i], wanted.data<float>()[i], 1e-5) << i;
  }
}

TEST(DeviceModel, IsSavedAndLoadedWhereItIs) {
  const FakeGpu gpu;
  const TemporaryDirectory directory(memory_directory());
  const ModelPtr here = small_model(), there = small_model(), other = small_model();
  here->save_weights(directory / "a.weights.h5");
  there->to(kGpu);
  there->load_weights(directory / "a.weights.h5");
  expect_on(*there, kGpu);
  expect_equal(*there, *here);
  there->save_weights(directory / "b.weights.h5");
  SaveHandle handle = there->save_weights_async(directory / "c.weights.h5");
  there->wait_until_copied();
  handle.wait();
  there->save(directory / "d.keras");
  expect_equal(*Model::load(directory / "d.keras"), *here);
  for (const char* name : {"b.weights.h5", "c.weights.h5", "d.keras"}) {
    other->load_weights(directory / name);
    expect_on(*other, Device::cpu());
    expect_equal(*other, *here);
  }
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST(DeviceModel, GivesAndTakesItsWeightsByWayOfTheHost) {
  const FakeGpu gpu;
  const ModelPtr here = small_model(), there = small_model();
  there->to(kGpu);
  const Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {1, 6});
  (void)there->predict(x);
  there->set_weights(here->get_weights());
  expect_on(*there, kGpu);
  expect_equal(*there, *here);
  expect_near(there->predict(x), here->predict(x));
  const std::vector<Tensor> got = there->get_weights();
  ASSERT_EQ(got.size(), 4u);
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].device(), Device::cpu());
    EXPECT_TRUE(bitwise_equal(got[i], here->variables()[i]->value())) << i;
  }
  // Values that are on the device, of which the variables take copies.
  const ModelPtr other = small_model();
  other->to(kGpu);
  there->set_weights(values(*other));
  expect_equal(*there, *other);
  EXPECT_NE(there->variables()[0]->value().raw(), other->variables()[0]->value().raw());
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST(DeviceModel, KeepsAllItsWeightsWhereTheDeviceFailsToTakeOthers) {
  const ModelPtr here = small_model(), other = small_model();
  std::size_t failures = 0;
  for (std::size_t call = 0;; ++call) {
    const FakeGpu gpu;
    const ModelPtr there = small_model();
    there->set_weights(here->get_weights());
    there->to(kGpu);
    gpu->fail_at(call);
    try {
      there->set_weights(other->get_weights());
      break;
    } catch (const DeviceError&) {
      ++failures;
    }
    gpu->fail_never();
    expect_on(*there, kGpu);
    expect_equal(*there, *here);
  }
  EXPECT_GT(failures, 3u);
}

TEST(DeviceModel, ComputesThereAndAgainAfterItCameBack) {
  const FakeGpu gpu;
  const ModelPtr model = small_model();
  const Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {1, 6});
  const Tensor before = model->predict(x);
  model->to(kGpu);
  expect_on(*model, kGpu);
  for (int run = 0; run < 3; ++run) expect_near(model->predict(x), before);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
  model->to(Device::cpu());
  EXPECT_TRUE(bitwise_equal(model->predict(x), before));
  EXPECT_EQ(gpu->used(), 0U);
}

TEST(DeviceModel, ComputesWithTheWeightsItHasNow) {
  const FakeGpu gpu;
  const TemporaryDirectory directory(memory_directory());
  const Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {1, 6});
  const ModelPtr there = small_model();
  there->to(kGpu);
  for (int round = 1; round <= 3; ++round) {
    for (int run = 0; run < 3; ++run) (void)there->predict(x);
    EXPECT_EQ(gpu->recordings(), 1U) << "what was recorded holds for other weights";
    const ModelPtr here = small_model();
    here->save_weights(directory / "a.weights.h5");
    there->load_weights(directory / "a.weights.h5");
    expect_near(there->predict(x), here->predict(x));
  }
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST(DeviceModel, NeedsNothingNewFromTheThirdRunOn) {
  const FakeGpu gpu;
  const ModelPtr model = small_model();
  model->to(kGpu);
  const auto predict = [&] {
    const std::size_t before = gpu->calls();
    (void)model->predict(Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {1, 6}));
    return gpu->calls() - before;
  };
  for (int run = 0; run < 3; ++run) (void)predict();
  const std::size_t calls = predict(), used = gpu->used(), made = gpu->made();
  const int live = gpu->live();
  for (int run = 0; run < 10; ++run) EXPECT_EQ(predict(), calls);
  EXPECT_EQ(gpu->used(), used);
  EXPECT_EQ(gpu->made(), made);
  EXPECT_EQ(gpu->live(), live);
  EXPECT_EQ(gpu->recordings(), 1U);
  EXPECT_EQ(gpu->plays(), 13U) << "all but the first of 14 runs";
}

TEST(DeviceModel, ComputesStepByStepWhereNothingCanBeRecorded) {
  const Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {1, 6});
  bool met = false;
  for (std::size_t call = 0; !met; ++call) {
    const FakeGpu gpu;
    const testing::CapturedWarnings warnings;
    const ModelPtr model = small_model();
    const Tensor before = model->predict(x);
    model->to(kGpu);
    expect_near(model->predict(x), before);
    gpu->fail_at(call, "cudaErrorStreamCaptureUnsupported");
    try {
      expect_near(model->predict(x), before);
    } catch (const DeviceError&) {
      continue;  // another call of the second run
    }
    ASSERT_GT(gpu->calls(), call) << "no call of the second run is of recording";
    if (warnings.all.empty()) continue;
    met = true;
    EXPECT_THAT(warnings.all, ::testing::ElementsAre(HasSubstr("is not recorded")));
    gpu->fail_never();
    for (int run = 0; run < 2; ++run) expect_near(model->predict(x), before);
    EXPECT_EQ(warnings.all.size(), 1U);
    EXPECT_EQ(gpu->plays(), 0U);
    EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
  }
}

TEST(DeviceModel, ComputesAConvolutionalModelInBatches) {
  const FakeGpu gpu({}, {2, 1 << 20});
  const ModelPtr model = Sequential::create(
      {layers::InputLayer({.shape = {9, 7, 3}}),
       layers::Conv2D({.filters = 8, .kernel_size = 3, .strides = 2, .padding = "same"}),
       layers::BatchNormalization(), layers::Activation({.activation = "silu"}),
       layers::DepthwiseConv2D({.kernel_size = 3, .padding = "same", .activation = "relu"}),
       layers::MaxPooling2D({.pool_size = 2}), layers::GlobalAveragePooling2D(),
       layers::Dense({.units = 4, .activation = "softmax"})});
  std::vector<float> pixels(5 * 9 * 7 * 3);
  std::mt19937 random(lamina::test::fresh_seed());
  for (float& pixel : pixels) pixel = std::normal_distribution<float>()(random);
  const Tensor x = Tensor::from(pixels, {5, 9, 7, 3});
  const Tensor before = model->predict(x);
  model->to(kGpu);
  expect_near(model->predict(x, {.batch_size = 2}), before);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST(DeviceModel, IsUsableHereAfterAnyCallThereFailed) {
  const Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {1, 6});
  for (std::size_t call = 0;; ++call) {
    const FakeGpu gpu;
    const ModelPtr model = small_model();
    const Tensor before = model->predict(x);
    gpu->fail_at(call);
    try {
      model->to(kGpu);
      for (int run = 0; run < 3; ++run) expect_near(model->predict(x), before);
      // some failures hurt nobody
    } catch (const DeviceError& error) {
      EXPECT_THAT(error.what(), HasSubstr("cudaErrorLaunchFailure"));
    }
    const bool reached = gpu->calls() > call;
    gpu->fail_never();
    model->to(Device::cpu());
    EXPECT_TRUE(bitwise_equal(model->predict(x), before)) << "call " << call;
    EXPECT_EQ(gpu->used(), 0U) << "call " << call;
    if (reached) continue;
    EXPECT_GT(call, 6U);
    break;
  }
}

TEST(DeviceModel, SaysWhenItsVariablesAreNotTogether) {
  const FakeGpu gpu;
  const ModelPtr model = small_model();
  (void)model->variables().front()->value();
  model->variables().front()->to(kGpu);
  try {
    (void)model->predict(Tensor::zeros({1, 6}));
    ADD_FAILURE() << "computed";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("kernel"));
    EXPECT_THAT(error.what(), HasSubstr("cuda:0"));
  }
}

TEST(DeviceModel, StaysWholeAndHereWhenTheDeviceHasNoRoom) {
  const FakeGpu gpu({.memory = 150});  // for one kernel of 120 bytes, not for all
  const ModelPtr model = small_model();
  const Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {1, 6});
  const Tensor before = model->predict(x);
  try {
    model->to(kGpu);
    ADD_FAILURE() << "went there";
  } catch (const DeviceError& error) {
    EXPECT_TRUE(error.out_of_memory());
  }
  expect_on(*model, Device::cpu());
  EXPECT_TRUE(bitwise_equal(model->predict(x), before));
  EXPECT_EQ(gpu->used(), 0U);
}

TEST(DeviceModel, StaysUsableWhenThereIsNoDevice) {
  const runtime::ReplacedDevices devices([](Device) -> std::shared_ptr<runtime::Runtime> {
    throw DeviceError("cudaGetDeviceCount", "cudaErrorNoDevice", "the CUDA driver finds no device",
                      SourceLocation::current());
  });
  const ModelPtr model = small_model();  // without values yet: it is refused all the same
  try {
    model->to(kGpu);
    ADD_FAILURE() << "went there";
  } catch (const DeviceError& error) {
    EXPECT_THAT(error.what(), HasSubstr("cuda:0"));
    EXPECT_THAT(error.what(), HasSubstr("finds no device"));
  }
  expect_on(*model, Device::cpu());
}

TEST(TransferMemory, IsWhatDevicesTakeThatAreNewInUse) {
  try {
    set_transfer_memory({0, 4096});
    ADD_FAILURE() << "nothing was thrown";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("Received: slots=0, slot_bytes=4096"));
  }
  EXPECT_THROW(set_transfer_memory({2, 0}), ValueError);
  const FakeGpu gpu;
  set_transfer_memory({3, 8192});
  const Tensor there = Tensor::zeros({10'000}).to(kGpu);
  EXPECT_EQ(there.to(Device::cpu()).data<float>()[9'999], 0.0F);
  EXPECT_EQ(gpu->peak_pinned(), 2U * 8192U);
  EXPECT_EQ(runtime::devices().get(kGpu)->ring().slots(), 3U);
  EXPECT_EQ(gpu->peak_pinned(), (2U + 3U) * 8192U);
}

}  // namespace
}  // namespace lamina

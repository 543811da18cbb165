// What can go wrong with a device: one clear message each, the process alive, the model usable on
// the CPU: itself, or, where the device is lost with the values on it, its like from the last file.
// The devices are fakes that fail; the last test asks the machine's own CUDA.
#include <gmock/gmock.h>
#include <lamina/lamina.h>

#include <functional>
#include <random>

#include "tests/fakes/fake_gpu.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina {
namespace {

using ::testing::AnyOf;
using testing::FakeGpus;
using testing::FakeRuntime;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TemporaryDirectory;

constexpr Device kGpu = Device::cuda(0);
constexpr std::size_t kWeights = 4 * (6 * 50 + 50 + 50 * 3 + 3);

std::shared_ptr<FakeRuntime> fake(std::size_t memory) {
  return std::make_shared<FakeRuntime>(testing::FakeOptions{.memory = memory});
}

ModelPtr small_model() {
  return Sequential::create({layers::InputLayer({.shape = {6}}),
                             layers::Dense({.units = 50, .activation = "relu"}),
                             layers::Dense({.units = 3})});
}

Tensor predict(Model& model, const Tensor& x) {
  return model.predict(x, {.batch_size = 300});
}

/// Which call of the first prediction on a device gives it the first kernel.
std::size_t first_launch(const Tensor& x) {
  for (std::size_t call = 0;; ++call) {
    const std::shared_ptr<FakeRuntime> gpu = fake(1 << 20);
    const FakeGpus gpus({gpu}, {2, 4096});
    const ModelPtr model = small_model();
    (void)predict(*model, x);  // as the test's model, which has its values by then
    model->to(kGpu);
    gpu->fail_at(call);
    try {
      (void)predict(*model, x);
    } catch (const DeviceError& error) {
      if (error.call() == "Stream::call") return call;
    }
    if (gpu->calls() <= call) throw std::runtime_error("nothing was launched");
  }
}

/// One thing that goes wrong, from model.to() on, and words of its message.
struct Wrong {
  const char* name;
  /// The device of this index, or its error.
  std::function<std::shared_ptr<FakeRuntime>()> device;
  /// Done once the model is there, before it predicts from x; nothing: it does not come there.
  std::function<void(FakeRuntime&, const Tensor& x)> then;
  std::vector<std::string> words;
  bool lost = false;  ///< the device, with the values on it

  friend void PrintTo(const Wrong& wrong, std::ostream* out) { *out << wrong.name; }
};

std::function<std::shared_ptr<FakeRuntime>()> refused(const char* status, const char* reason) {
  return [=]() -> std::shared_ptr<FakeRuntime> {
    throw DeviceError("cudaGetDeviceCount", status, reason, SourceLocation::current());
  };
}

std::vector<Wrong> everything() {
  constexpr std::size_t kPlenty = 1 << 20;
  const auto plenty = [] { return fake(kPlenty); };
  return {
      {"NoDevice",
       refused("cudaErrorNoDevice", "the CUDA driver finds no device"),
       {},
       {"cuda:0", "cudaErrorNoDevice", "the CUDA driver finds no device"}},
      {"NoDriver",
       refused("cudaErrorInsufficientDriver", "no CUDA driver is installed"),
       {},
       {"cuda:0", "cudaErrorInsufficientDriver", "no CUDA driver is installed"}},
      {"OldDriver",
       refused("cudaErrorInsufficientDriver",
               "the installed driver is for CUDA 12.8 and this build needs one for 13.1"),
       {},
       {"cuda:0", "the installed driver is for CUDA 12.8"}},
      {"NoRoomForTheWeights",
       [] { return fake(kWeights / 2); },
       {},
       {"allocate", "cudaErrorMemoryAllocation", "out of memory"}},
      {"NoRoomForThePredictions",
       [] { return fake(kWeights + 2048); },
       [](FakeRuntime&, const Tensor&) {},
       {"allocate", "cudaErrorMemoryAllocation", "out of memory"}},
      {"FailedLaunch",
       plenty,
       [](FakeRuntime& gpu, const Tensor& x) {
         gpu.fail_at(first_launch(x), "cudaErrorLaunchFailure");
       },
       {"Stream::call", "cudaErrorLaunchFailure"}},
      {"LaunchThatFailsLater",
       plenty,
       [](FakeRuntime& gpu, const Tensor& x) {
         gpu.fail_at(first_launch(x), "cudaErrorIllegalAddress", FakeRuntime::Fault::kLater);
       },
       {"Stream::call", "cudaErrorIllegalAddress"},
       true},
  };
}

class DeviceErrors : public ::testing::TestWithParam<Wrong> {};

TEST_P(DeviceErrors, AreOneMessageAndLeaveTheModelUsableHere) {
  const Wrong& wrong = GetParam();
  std::mt19937 random(lamina::test::fresh_seed());
  std::vector<float> numbers(300 * 6);
  for (float& each : numbers) each = std::normal_distribution<float>()(random);
  const Tensor x = Tensor::from(numbers, {300, 6});
  const TemporaryDirectory directory(testing::memory_directory());
  ModelPtr model = small_model();
  const Tensor before = predict(*model, x);
  model->save_weights(directory / "before.weights.h5");

  std::shared_ptr<FakeRuntime> gpu;
  const runtime::ReplacedDevices devices([&](Device) { return gpu = wrong.device(); }, {2, 4096});
  bool there = false;
  try {
    model->to(kGpu);
    there = true;
    if (wrong.then) {
      wrong.then(*gpu, x);
      (void)predict(*model, x);
    }
    ADD_FAILURE() << "nothing was thrown";
  } catch (const DeviceError& error) {
    for (const std::string& word : wrong.words) EXPECT_THAT(error.what(), HasSubstr(word));
    EXPECT_THAT(error.what(), Not(HasSubstr("\n"))) << "one line";
    EXPECT_EQ(error.out_of_memory(), std::string(wrong.name).starts_with("NoRoom"));
  }
  EXPECT_EQ(there, static_cast<bool>(wrong.then));

  if (gpu != nullptr) gpu->fail_never();
  if (wrong.lost) {
    EXPECT_THROW(model->to(Device::cpu()), DeviceError) << "there is nothing to fetch";
    model = small_model();
    model->load_weights(directory / "before.weights.h5");
  }
  model->to(Device::cpu());
  EXPECT_TRUE(bitwise_equal(predict(*model, x), before));
}

INSTANTIATE_TEST_SUITE_P(Each, DeviceErrors, ::testing::ValuesIn(everything()),
                         [](const auto& info) { return std::string(info.param.name); });

// Through CUDA itself where it was built in, whatever this machine has.
TEST(DeviceErrorsOfThisMachine, AreOneMessageAndLeaveTheModelUsableHere) {
  const ModelPtr model =
      Sequential::create({layers::InputLayer({.shape = {6}}), layers::Dense({.units = 3})});
  const Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {1, 6});
  const Tensor before = model->predict(x);
  const CudaDevices found = cuda_devices();
  const Device none = Device::cuda(static_cast<int>(found.usable.size()));
  for (int i = 0; i < 2; ++i) {
    try {
      model->to(none);
      ADD_FAILURE() << "went there";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(none.str()));
      EXPECT_THAT(error.what(), AnyOf(HasSubstr(found.problem), HasSubstr("has no runtime for")));
      EXPECT_THAT(error.what(), Not(HasSubstr("\n")));
    }
  }
  EXPECT_TRUE(bitwise_equal(model->predict(x), before));
}

}  // namespace
}  // namespace lamina

// What csrc/runtime/cuda calls, on which thread and for which device, over a double of CUDA's
// runtime that looks at just that.
#include <gmock/gmock.h>
#include <lamina/lamina.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <future>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "cuda_double.h"
#include "runtime/cuda/cuda_call.h"
#include "runtime/cuda/cuda_runtime.h"
#include "runtime/devices.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina {
namespace {

using runtime::Copy;
using runtime::CudaRuntime;
using testing::CudaDouble;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::memory_directory;
using ::testing::Not;
using testing::TemporaryDirectory;

template <class F>
void on_a_new_thread(const F& work) {
  std::async(std::launch::async, work).get();
}

runtime::Devices::Factory cuda_runtimes() {
  return [](Device device) { return std::make_shared<CudaRuntime>(device.index); };
}

constexpr runtime::PinnedRing::Options kRing{2, 4096};

ModelPtr small_model() {
  return Sequential::create({layers::InputLayer({.shape = {60}}), layers::Dense({.units = 50}),
                             layers::Dense({.units = 3})});
}

std::vector<Tensor> values_of(const Model& model) {
  std::vector<Tensor> out;
  for (const VariablePtr& variable : model.variables()) {
    out.push_back(variable->value().to(Device::cpu()));
  }
  return out;
}

bool equal(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Tensor& x, const Tensor& y) { return bitwise_equal(x, y); });
}

TEST(CudaDouble, RefusesWhatIsOfAnotherDeviceThanTheCurrentOne) {
  const CudaDouble cuda(2);
  CudaRuntime runtime(1);
  const auto stream = runtime.make_stream();
  const auto native = static_cast<cudaStream_t>(stream->native());
  on_a_new_thread([&] { EXPECT_EQ(cudaStreamSynchronize(native), cudaErrorInvalidDevice); });
  EXPECT_THAT(cuda.refused(), ElementsAre("cudaStreamSynchronize of device 1 while 0 is current"));
}

/// One of each, and all that is done with them.
class Parts {
 public:
  explicit Parts(int device) : device_(device) {}

  /// Each works on what the ones before it made.
  [[nodiscard]] std::vector<std::function<void()>> steps() {
    return {[this] { runtime_ = std::make_unique<CudaRuntime>(device_); },
            [this] { memory_ = runtime_->allocate(kSize); },
            [this] { from_ = runtime_->allocate_pinned(kSize); },
            [this] { to_ = runtime_->allocate_pinned(kSize); },
            [this] { first_ = runtime_->make_event(); },
            [this] { second_ = runtime_->make_event(); },
            [this] { stream_ = runtime_->make_stream(); },
            [this] { other_ = runtime_->make_stream(); },
            [this] { stream_->record(*first_); },
            [this] { stream_->copy(std::vector<Copy>{up(0, kSize)}); },
            [this] {
              stream_->copy(std::vector<Copy>{up(0, 10), up(10, kSize - 10)});
            },
            [this] { stream_->call([this] { called_ = true; }); },
            [this] { stream_->record(*second_); },
            [this] { EXPECT_TRUE(second_->done()); },
            [this] { second_->wait(); },
            [this] { EXPECT_GE(second_->seconds_since(*first_), 0.0); },
            [this] { other_->wait(*second_); },
            [this] { record_downwards(); },
            [this] { other_->play(*recording_); },
            [this] { other_->synchronize(); },
            [this] { expect_copied(); }};
  }
  [[nodiscard]] std::vector<std::function<void()>> ends() {
    return {[this] { recording_.reset(); }, [this] { memory_.reset(); },
            [this] { from_.reset(); },      [this] { to_.reset(); },
            [this] { first_.reset(); },     [this] { second_.reset(); },
            [this] { stream_.reset(); },    [this] { other_.reset(); }};
  }
  void end() { runtime_.reset(); }

 private:
  static constexpr std::size_t kSize = 1000;

  [[nodiscard]] Copy up(std::size_t at, std::size_t size) const {
    return {memory_->address() + at, from_->address() + at, size};
  }
  /// A thread records from the beginning to the end.
  void record_downwards() {
    other_->begin_recording();
    other_->copy(std::vector<Copy>{
        {to_->address(), memory_->address(), kSize / 2},
        {to_->address() + kSize / 2, memory_->address() + kSize / 2, kSize - kSize / 2}});
    recording_ = other_->end_recording();
    const auto access = from_->write(0, kSize);
    std::fill(access.bytes().begin(), access.bytes().end(), std::byte{7});
    stream_->copy(std::vector<Copy>{up(0, kSize)});
    stream_->synchronize();
  }
  void expect_copied() {
    const auto access = to_->read(0, kSize);
    EXPECT_TRUE(std::all_of(access.bytes().begin(), access.bytes().end(),
                            [](std::byte byte) { return byte == std::byte{7}; }));
    EXPECT_TRUE(called_);
  }

  int device_;
  bool called_ = false;
  std::unique_ptr<CudaRuntime> runtime_;
  std::unique_ptr<runtime::DeviceMemory> memory_;
  std::unique_ptr<runtime::PinnedMemory> from_, to_;
  std::unique_ptr<runtime::Event> first_, second_;
  std::unique_ptr<runtime::Stream> stream_, other_;
  std::unique_ptr<runtime::Recording> recording_;
};

TEST(CurrentDevice, IsThatOfTheWorkOnEveryThread) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 10; ++round) {
    const CudaDouble cuda(4);
    const int device = 1 + static_cast<int>(random() % 3);
    Parts parts(device);
    for (const auto& step : parts.steps()) on_a_new_thread(step);
    std::vector<std::function<void()>> ends = parts.ends();
    std::shuffle(ends.begin(), ends.end(), random);
    for (const auto& end : ends) on_a_new_thread(end);
    on_a_new_thread([&] { parts.end(); });
    EXPECT_THAT(cuda.refused(), IsEmpty());
    EXPECT_THAT(cuda.in_use(), ElementsAre(device));
    EXPECT_EQ(cuda.live(), 0U);
  }
}

/// The threads that transfers and saves start, and those of whoever lets tensors go.
TEST(CurrentDevice, IsThatOfTheWeightsInSavesAndLoads) {
  constexpr SnapshotPolicy kPolicies[] = {SnapshotPolicy::kNone, SnapshotPolicy::kDevice,
                                          SnapshotPolicy::kHost, SnapshotPolicy::kAutomatic};
  const Device gpu = Device::cuda(2);
  const CudaDouble cuda(3);
  {
    const runtime::ReplacedDevices devices(cuda_runtimes(), kRing);
    const TemporaryDirectory directory(memory_directory());
    const ModelPtr model = small_model();
    const std::vector<Tensor> before = values_of(*model);
    on_a_new_thread([&] { model->to(gpu); });
    const std::filesystem::path path = directory / "a.weights.h5";
    for (const SnapshotPolicy policy : kPolicies) {
      SaveHandle saving = model->save_weights_async(path, {.snapshot = policy});
      saving.wait();
      const ModelPtr other = small_model();
      other->to(gpu);
      on_a_new_thread([&] { other->load_weights(path); });
      EXPECT_TRUE(equal(values_of(*other), before));
    }
    on_a_new_thread([&] { model->set_weights(before); });
    on_a_new_thread([&] { model->to(Device::cpu()); });
    EXPECT_TRUE(equal(values_of(*model), before));
  }
  EXPECT_THAT(cuda.refused(), IsEmpty());
  EXPECT_THAT(cuda.in_use(), ElementsAre(2));
  EXPECT_EQ(cuda.live(), 0U);
}

TEST(HostFunctions, MayNotCallCudaAndTheirStreamSaysSo) {
  const CudaDouble cuda(1);
  CudaRuntime runtime(0);
  const auto stream = runtime.make_stream();
  stream->call([&] { (void)runtime.allocate(1); });
  try {
    stream->synchronize();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const DeviceError& error) {
    EXPECT_EQ(error.status(), "cudaErrorNotPermitted");
  }
}

TEST(AnErrorForGood, LeavesTheHostAtWorkAndSaysWhatIsLost) {
  CudaDouble cuda(1);
  const Tensor x = Tensor::from(std::vector<float>(60, 0.5F), {1, 60});
  const TemporaryDirectory directory(memory_directory());
  const ModelPtr here = small_model();
  const Tensor y = here->predict(x);
  here->save_weights(directory / "a.weights.h5");
  const runtime::ReplacedDevices devices(cuda_runtimes(), kRing);
  {
    const ModelPtr there = small_model();
    there->to(Device::cuda(0));
    there->set_weights(here->get_weights());
    cuda.fail_for_good(cudaErrorIllegalAddress);
    for (int attempt = 0; attempt < 2; ++attempt) {
      try {
        there->to(Device::cpu());
        ADD_FAILURE() << "nothing was thrown";
      } catch (const DeviceError& error) {
        EXPECT_EQ(error.status(), "cudaErrorIllegalAddress");
        EXPECT_THAT(error.what(), HasSubstr("is lost"));
        EXPECT_FALSE(error.out_of_memory());
      }
    }
  }
  const ModelPtr again = small_model();
  again->load_weights(directory / "a.weights.h5");
  EXPECT_TRUE(bitwise_equal(again->predict(x), y));
}

TEST(AnErrorForGood, IsToldFromOneThatPasses) {
  const CudaDouble cuda(1);
  const auto message = [](cudaError_t status) -> std::string {
    try {
      runtime::check_cuda(status, "A call");
    } catch (const DeviceError& error) {
      return error.what();
    }
    return {};
  };
  for (const cudaError_t status :
       {cudaErrorIllegalAddress, cudaErrorContained, cudaErrorTensorMemoryLeak,
        cudaErrorMpsClientTerminated, cudaErrorExternalDevice}) {
    EXPECT_THAT(message(status), HasSubstr("can use none any more")) << status;
  }
  EXPECT_THAT(message(cudaErrorMemoryAllocation), Not(HasSubstr("none")));
  EXPECT_THAT(message(cudaErrorMemoryAllocation), HasSubstr("A call failed"));
}

/// As statics do that are older than the first use of CUDA.
TEST(TheEndOfTheProcess, MayTakeCudaAwayBeforeTensors) {
  CudaDouble cuda(1);
  EXPECT_FALSE(runtime::cuda_has_gone());
  const runtime::ReplacedDevices devices(cuda_runtimes(), kRing);
  std::optional<Tensor> there = Tensor::zeros({1000}).to(Device::cuda(0));
  runtime::devices().get(Device::cuda(0))->compute([](runtime::Stream&) {});
  cuda.unload();
  EXPECT_TRUE(runtime::cuda_has_gone());
  EXPECT_NO_THROW(there.reset());
  EXPECT_THROW((void)Tensor::zeros({3}).to(Device::cuda(0)), DeviceError);
}

}  // namespace
}  // namespace lamina

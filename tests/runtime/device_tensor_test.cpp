// Tensors on devices, over the runtimes that need no GPU.
#include <gmock/gmock.h>
#include <lamina/error.h>
#include <lamina/variable.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <optional>
#include <random>
#include <thread>

#include "core/device_memory.h"
#include "core/variable_snapshot.h"
#include "runtime/devices.h"
#include "runtime/host/host_runtime.h"
#include "runtime/runtimes.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/fresh_seed.h"

namespace lamina {
namespace {

using runtime::PinnedRing;
using testing::FakeGpu;
using testing::FakeGpus;
using ::testing::HasSubstr;

constexpr Device kGpu = Device::cuda(0);

Tensor random_tensor(std::mt19937& random, std::int64_t size) {
  Tensor out = Tensor::empty({size}, DType::kUInt8);
  for (std::byte& byte : out.bytes()) byte = static_cast<std::byte>(random());
  return out;
}

class DeviceTensor : public ::testing::Test {
 protected:
  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
};

/// Tensors let go on several threads: who finds another one waiting for the device waits too, or
/// memory would be given away on which work is pending.
TEST_F(DeviceTensor, MemoryGoesNotBeforeItsWorkIsDoneThoughAnotherThreadWaitsForThat) {
  const FakeGpus gpus({std::make_shared<runtime::HostRuntime>()});
  const auto context = runtime::devices().get(kGpu);
  std::promise<void> may_end;
  std::atomic<bool> ended = false, too_early = false;
  context->compute([&](runtime::Stream& stream) {
    stream.call([&] {
      may_end.get_future().wait();
      ended = true;
    });
  });
  const auto settle = [&] {
    context->settle();
    if (!ended) too_early = true;
  };
  {
    const std::jthread first(settle);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // it waits for the device by now
    const std::jthread second(settle);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    may_end.set_value();
  }
  EXPECT_FALSE(too_early);
}

/// Each way in which tensors travel.
void travel(const Tensor& here) {
  const Tensor there = here.to(kGpu);
  EXPECT_TRUE(bitwise_equal(there.clone().to(Device::cpu()), here));
  std::vector<Tensor> to{Tensor::empty(here.shape(), here.dtype(), kGpu)};
  core::copy_into(to, std::vector<Tensor>{here});
  EXPECT_TRUE(bitwise_equal(to[0], here));
}

TEST_F(DeviceTensor, TravelsTheSecondTimeByTheStreamsAndMarksOfTheFirst) {
  const FakeGpu gpu({.seed = random_()});
  travel(random_tensor(random_, 20'000));
  const std::size_t made = gpu->made();
  for (int i = 0; i < 5; ++i) {
    travel(random_tensor(random_, static_cast<std::int64_t>(random_() % 30'000)));
  }
  EXPECT_EQ(gpu->made(), made);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST_F(DeviceTensor, TravelsOnSeveralThreadsByWhatSoManyNeedAtOnce) {
  constexpr std::size_t kThreads = 3, kKinds = 3;  // streams of the ring and within, and marks
  const FakeGpu gpu({.seed = random_()});
  const Tensor here = random_tensor(random_, 20'000);
  travel(here);
  const std::size_t made = gpu->made();
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        for (int k = 0; k < 10; ++k) travel(here);
      });
    }
  }
  EXPECT_LE(gpu->made(), made + (kThreads - 1) * kKinds);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

/// A child has no other thread of its parent's, and may not use CUDA: it must neither wait for the
/// one nor do the other.
TEST_F(DeviceTensor, IsItsParentsInAForkedChild) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer does not follow children of processes with threads";
#endif
  const FakeGpu gpu;
  const Tensor here = random_tensor(random_, 5'000);
  std::optional<Tensor> there = here.to(kGpu);
  const auto context = runtime::devices().get(kGpu);
  std::promise<void> holds, may_end;
  std::jthread holder([&] {
    context->compute([&](runtime::Stream&) {
      holds.set_value();
      may_end.get_future().wait();
    });
  });
  holds.get_future().wait();
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);  // ends a child that waits for its parent's thread
    bool refused = false;
    try {
      (void)context->ring();
    } catch (const DeviceError& error) {
      refused = std::string(error.what()).find("forked") != std::string::npos;
    }
    there.reset();
    const bool works = bitwise_equal(here.clone(), here);
    ::_exit(refused && works ? 0 : 1);
  }
  may_end.set_value();
  holder.join();
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(bitwise_equal(*there, here));
}

/// As a save in the background does while its disk is slow.
TEST_F(DeviceTensor, TravelsWhileASaveHoldsEverySlot) {
  const FakeGpu gpu({.seed = random_()}, {2, 4096});
  PinnedRing& ring = runtime::devices().get(kGpu)->ring();
  const auto first = ring.take({}), second = ring.take({});
  const Tensor here = random_tensor(random_, 50'000);
  EXPECT_TRUE(bitwise_equal(here.to(kGpu).to(Device::cpu()), here));
}

TEST_F(DeviceTensor, GoesToTheDeviceAndBack) {
  for (const std::size_t slots : {1U, 2U, 3U}) {
    const FakeGpu gpu({.seed = random_()}, {slots, 4096});
    for (const std::int64_t size : {0, 1, 4095, 4096, 4097, 50'000}) {
      const Tensor here = random_tensor(random_, size);
      const Tensor there = here.to(kGpu);
      EXPECT_EQ(there.device(), kGpu);
      EXPECT_EQ(there.to(kGpu).raw(), there.raw());
      EXPECT_TRUE(bitwise_equal(there.to(Device::cpu()), here));
      EXPECT_TRUE(bitwise_equal(there, here));
      const Tensor copy = there.clone();
      EXPECT_EQ(copy.device(), kGpu);
      EXPECT_TRUE(bitwise_equal(copy, here));
      EXPECT_TRUE(size == 0 || copy.raw() != there.raw());
    }
    EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
    EXPECT_EQ(gpu->used(), 0U);
  }
}

TEST_F(DeviceTensor, WorksOnTheHostsThreadsToo) {
  const FakeGpus gpus({std::make_shared<runtime::HostRuntime>()}, {2, 8192});
  for (int i = 0; i < 20; ++i) {
    const Tensor here = random_tensor(random_, static_cast<std::int64_t>(random_() % 100'000));
    EXPECT_TRUE(bitwise_equal(here.to(kGpu).clone().to(Device::cpu()), here));
  }
}

TEST_F(DeviceTensor, GoesFromDeviceToDevice) {
  const FakeGpus gpus(
      {std::make_shared<testing::FakeRuntime>(), std::make_shared<testing::FakeRuntime>()});
  const Tensor here = random_tensor(random_, 10'000);
  const Tensor there = here.to(Device::cuda(0)).to(Device::cuda(1));
  EXPECT_EQ(there.device(), Device::cuda(1));
  EXPECT_TRUE(bitwise_equal(there, here));
}

TEST_F(DeviceTensor, IsConvertedWithoutLeavingItsDevice) {
  const FakeGpu gpu;
  const Tensor there = Tensor::from(std::vector<float>{1.5F, -2.25F, 3}, {3}).to(kGpu);
  const Tensor half = there.cast(DType::kFloat16);
  EXPECT_EQ(half.device(), kGpu);
  EXPECT_TRUE(bitwise_equal(half.cast(DType::kFloat32), there));
}

TEST_F(DeviceTensor, RefusesTheHostItsBytes) {
  const FakeGpu gpu;
  Tensor there = Tensor::zeros({3}).to(kGpu);
  try {
    (void)there.bytes();
    ADD_FAILURE() << "gave them";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("cuda:0"));
    EXPECT_THAT(error.what(), HasSubstr("to(Device::cpu())"));
  }
  EXPECT_THROW((void)there.data<float>(), ValueError);
}

TEST_F(DeviceTensor, IsReadAfterWhatComputesIt) {
  const FakeGpu gpu({.seed = random_()});
  Tensor there = Tensor::zeros({100}, DType::kUInt8).to(kGpu);
  const auto news = gpu->allocate_pinned(100);
  std::fill_n(news->write(0, 100).bytes().data(), 100, std::byte{7});
  testing::overwrite_on_device(kGpu, static_cast<std::byte*>(there.raw()), *news, 100);
  const Tensor here = there.to(Device::cpu());
  EXPECT_EQ(here.data<std::uint8_t>()[99], 7);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST_F(DeviceTensor, FaultsSurfaceAndLeaveNothing) {
  for (const auto fault :
       {testing::FakeRuntime::Fault::kNow, testing::FakeRuntime::Fault::kLater}) {
    std::size_t failed = 0;
    for (std::size_t n = 0;; ++n) {
      const FakeGpu gpu({.seed = random_()});
      const Tensor here = random_tensor(random_, 20'000);
      const Tensor first = here.to(kGpu);  // makes the ring
      const int before = gpu->live();
      gpu->fail_at(n, "cudaErrorLaunchFailure", fault);
      bool whole = false;
      try {
        whole = bitwise_equal(here.to(kGpu).clone().to(Device::cpu()), here);
      } catch (const DeviceError& error) {
        EXPECT_EQ(error.status(), "cudaErrorLaunchFailure");
        ++failed;
      }
      EXPECT_EQ(whole, gpu->calls() <= n);
      gpu->fail_never();
      EXPECT_LE(gpu->live(), before + 3) << "more than the two streams and the mark that stay";
      EXPECT_TRUE(bitwise_equal(first, here));
      EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
      if (whole) break;
    }
    EXPECT_GE(failed, 3U);
  }
}

TEST_F(DeviceTensor, SaysWhenTheDevicesMemoryIsFull) {
  const FakeGpu gpu({.memory = 10'000});
  const Tensor first = Tensor::zeros({6'000}, DType::kUInt8).to(kGpu);
  const Tensor second = Tensor::zeros({6'000}, DType::kUInt8);
  try {
    (void)second.to(kGpu);
    ADD_FAILURE() << "went there";
  } catch (const DeviceError& error) {
    EXPECT_TRUE(error.out_of_memory());
    EXPECT_THAT(error.what(), HasSubstr("out of memory"));
  }
  EXPECT_EQ(second.data<std::uint8_t>()[0], 0);
  EXPECT_EQ(gpu->used(), 6'000U);
}

class UnusableDevice : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(UnusableDevice, IsNamedWithTheReason) {
  const runtime::ReplacedDevices devices([](Device) -> std::shared_ptr<runtime::Runtime> {
    throw DeviceError("cudaSetDevice", GetParam().first, GetParam().second,
                      SourceLocation::current());
  });
  const Tensor here = Tensor::zeros({3});
  Variable variable("kernel", here);
  for (int i = 0; i < 2; ++i) {
    try {
      variable.to(Device::cuda(3));
      ADD_FAILURE() << "went there";
    } catch (const DeviceError& error) {
      EXPECT_THAT(error.what(), HasSubstr("cuda:3"));
      EXPECT_THAT(error.what(), HasSubstr(GetParam().first));
      EXPECT_THAT(error.what(), HasSubstr(GetParam().second));
      EXPECT_FALSE(error.out_of_memory());
    }
    EXPECT_EQ(variable.device(), Device::cpu());
    EXPECT_TRUE(bitwise_equal(variable.value(), here));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Each, UnusableDevice,
    ::testing::Values(std::pair("cudaErrorNoDevice", "no CUDA-capable device is detected"),
                      std::pair("cudaErrorInsufficientDriver",
                                "CUDA driver version is insufficient"),
                      std::pair("cudaErrorInvalidDevice", "invalid device ordinal")));

// Whatever this machine has: there is never a device of this number.
TEST(ThisMachine, SaysThatItHasNoSuchDevice) {
  try {
    (void)Tensor::zeros({3}).to(Device::cuda(4711));
    ADD_FAILURE() << "went there";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("cuda:4711"));
  }
}

TEST(DeviceVariable, KeepsItsDeviceWhenItIsAssigned) {
  const FakeGpu gpu;
  Variable variable("kernel", Tensor::zeros({3}));
  variable.to(kGpu);
  EXPECT_EQ(variable.value().device(), kGpu);
  const Tensor news = Tensor::from(std::vector<double>{1, 2, 3}, {3});
  variable.assign(news);
  EXPECT_EQ(variable.value().device(), kGpu);
  EXPECT_TRUE(bitwise_equal(variable.value(), news.cast(DType::kFloat32)));
  variable.to(Device::cpu());
  EXPECT_EQ(variable.value().data<float>()[2], 3.0F);
}

TEST(DeviceVariable, IsInitialisedOnceAndThere) {
  const FakeGpu gpu;
  int calls = 0;
  Variable variable("kernel", {4}, DType::kFloat32, [&](const Shape& shape, DType dtype) {
    ++calls;
    return Tensor::zeros(shape, dtype);
  });
  const core::VariableSnapshot before(variable);
  variable.to(kGpu);
  EXPECT_FALSE(variable.materialized());
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(variable.value().device(), kGpu);
  EXPECT_EQ(before.value().device(), Device::cpu());
  EXPECT_TRUE(bitwise_equal(variable.value(), before.value()));
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace lamina

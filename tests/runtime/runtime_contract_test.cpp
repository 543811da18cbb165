// What every Runtime promises, held on each there is.
#include <gtest/gtest.h>
#include <lamina/error.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <random>

#include "runtime/host/host_runtime.h"
#include "runtime/runtimes.h"
#include "tests/fakes/fake_runtime.h"
#include "tests/fresh_seed.h"

namespace lamina::runtime {
namespace {

using Factory = std::unique_ptr<Runtime> (*)();
struct Kind {
  const char* name;
  Factory make;
};

std::vector<Kind> kinds() {
  std::vector<Kind> out{{"Host", [] { return make_runtime(Device::cpu()); }},
                        {"Fake", []() -> std::unique_ptr<Runtime> {
                           return std::make_unique<lamina::testing::FakeRuntime>(
                               lamina::testing::FakeOptions{.seed = lamina::test::fresh_seed()});
                         }}};
  if (cuda_device_count() > 0) out.push_back({"Cuda", [] { return make_runtime(Device::cuda()); }});
  return out;
}

class RuntimeContract : public ::testing::TestWithParam<Kind> {
 protected:
  static bool is_fake() { return std::string_view(GetParam().name) == "Fake"; }
  std::unique_ptr<PinnedMemory> pinned(std::size_t size, std::byte value = std::byte{0xaa}) {
    auto memory = runtime_->allocate_pinned(size);
    const auto access = memory->write(0, size);
    std::memset(access.bytes().data(), static_cast<int>(value), size);
    return memory;
  }
  std::unique_ptr<PinnedMemory> random_pinned(std::size_t size) {
    auto memory = runtime_->allocate_pinned(size);
    const auto access = memory->write(0, size);
    for (std::byte& byte : access.bytes()) byte = static_cast<std::byte>(random_());
    return memory;
  }
  static std::vector<std::byte> content(PinnedMemory& memory) {
    const auto access = memory.read(0, memory.size());
    return {access.bytes().begin(), access.bytes().end()};
  }

  std::unique_ptr<Runtime> runtime_ = GetParam().make();
  std::mt19937 random_{lamina::test::fresh_seed()};
};

TEST_P(RuntimeContract, PageLockedMemoryIsAlignedAndAsLargeAsAsked) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{4096}, std::size_t{100'001}}) {
    const auto memory = runtime_->allocate_pinned(size);
    EXPECT_EQ(memory->size(), size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory->address()) % 4096, 0U);
    EXPECT_EQ(runtime_->allocate(size)->size(), size);
  }
}

TEST_P(RuntimeContract, CopiesThereAndBack) {
  const std::size_t size = 300'007;
  const auto from = random_pinned(size), to = pinned(size);
  const auto first = runtime_->allocate(size), second = runtime_->allocate(size);
  const auto stream = runtime_->make_stream();
  stream->copy(std::vector<Copy>{{first->address(), from->address(), size}});
  stream->copy(std::vector<Copy>{{second->address(), first->address(), size}});
  stream->copy(std::vector<Copy>{{to->address(), second->address(), size}});
  stream->synchronize();
  EXPECT_EQ(content(*to), content(*from));
}

TEST_P(RuntimeContract, ABatchCopiesEachPartToItsPlaceAndNothingElse) {
  const std::size_t part = 1000, gap = 24, count = 200;
  const auto from = random_pinned(count * part);
  const auto device = runtime_->allocate(count * part);
  const auto to = pinned(count * (part + gap));
  const auto stream = runtime_->make_stream();
  stream->copy(std::vector<Copy>{{device->address(), from->address(), count * part}});
  std::vector<Copy> batch;
  for (std::size_t i = 0; i < count; ++i) {
    batch.push_back(
        {to->address() + (count - 1 - i) * (part + gap), device->address() + i * part, part});
  }
  batch.push_back({to->address(), device->address(), 0});
  stream->copy(batch);
  stream->synchronize();
  const auto sent = content(*from), got = content(*to);
  for (std::size_t i = 0; i < count; ++i) {
    const auto* at = got.data() + (count - 1 - i) * (part + gap);
    ASSERT_EQ(std::memcmp(at, sent.data() + i * part, part), 0) << i;
    for (std::size_t k = 0; k < gap; ++k) ASSERT_EQ(at[part + k], std::byte{0xaa}) << i;
  }
}

TEST_P(RuntimeContract, WorkOfAStreamKeepsItsOrder) {
  const auto stream = runtime_->make_stream();
  std::vector<int> seen;
  for (int i = 0; i < 100; ++i) stream->call([&seen, i] { seen.push_back(i); });
  stream->synchronize();
  ASSERT_EQ(seen.size(), 100U);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST_P(RuntimeContract, AnEventOrdersOneStreamAfterAnother) {
  for (int round = 0; round < 50; ++round) {
    const auto first = runtime_->make_stream(), second = runtime_->make_stream();
    const auto event = runtime_->make_event();
    std::atomic<int> value = 0;
    int seen = -1;
    first->call([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      value = 7;
    });
    first->record(*event);
    second->wait(*event);
    second->call([&] { seen = value; });
    second->synchronize();
    ASSERT_EQ(seen, 7);
  }
}

TEST_P(RuntimeContract, AWaitIsForTheRecordingBeforeIt) {
  const auto first = runtime_->make_stream(), second = runtime_->make_stream();
  const auto event = runtime_->make_event(), passed = runtime_->make_event();
  std::atomic<bool> slept = false;
  first->record(*event);
  second->wait(*event);
  first->call([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    slept = true;
  });
  first->record(*event);  // what `second` does not wait for
  // No function of the host's: CUDA may call all of them on one thread, behind the sleeper.
  second->record(*passed);
  passed->wait();
  // The double runs one thing at a time, in any order.
  if (!is_fake()) {
    EXPECT_FALSE(slept);
  }
  event->wait();
  EXPECT_TRUE(slept);
  EXPECT_TRUE(event->done());
}

TEST_P(RuntimeContract, AnEventNeverRecordedHasFired) {
  const auto event = runtime_->make_event();
  EXPECT_TRUE(event->done());
  event->wait();
  const auto stream = runtime_->make_stream();
  stream->wait(*event);
  stream->synchronize();
}

TEST_P(RuntimeContract, AnEventTellsTheTimeSinceAnEarlierOne) {
  const auto stream = runtime_->make_stream();
  const auto first = runtime_->make_event(), second = runtime_->make_event();
  stream->record(*first);
  stream->call([] { std::this_thread::sleep_for(std::chrono::milliseconds(20)); });
  stream->record(*second);
  second->wait();
  const double seconds = second->seconds_since(*first);
  EXPECT_GE(seconds, is_fake() ? 0.0 : 0.015);
  EXPECT_DOUBLE_EQ(first->seconds_since(*first), 0.0);
}

TEST_P(RuntimeContract, WhatAFunctionThrowsIsThrownByWhatWaitsForIt) {
  const auto stream = runtime_->make_stream();
  const auto before = runtime_->make_event(), after = runtime_->make_event();
  stream->record(*before);
  before->wait();
  stream->call([] { throw ValueError("thrown on the way"); });
  stream->record(*after);
  EXPECT_THROW(after->wait(), ValueError);
  EXPECT_THROW((void)after->done(), ValueError);
  EXPECT_THROW(stream->synchronize(), ValueError);
  EXPECT_THROW(stream->synchronize(), ValueError);
}

TEST_P(RuntimeContract, AStreamGoesWhenItsWorkIsDone) {
  std::atomic<int> done = 0;
  {
    const auto stream = runtime_->make_stream();
    for (int i = 0; i < 20; ++i) {
      stream->call([&] {
        std::this_thread::sleep_for(std::chrono::microseconds(100));
        ++done;
      });
    }
  }
  EXPECT_EQ(done, 20);
}

TEST_P(RuntimeContract, WhatIsRecordedIsDoneEachTimeThatItIsPlayed) {
  const std::size_t size = 10'007;
  const auto from = random_pinned(size), to = pinned(size);
  const auto device = runtime_->allocate(size);
  const auto stream = runtime_->make_stream();
  stream->begin_recording();
  stream->copy(std::vector<Copy>{{device->address(), from->address(), size}});
  stream->copy(std::vector<Copy>{{to->address(), device->address(), size}});
  const auto recording = stream->end_recording();
  stream->synchronize();
  EXPECT_EQ(content(*to), std::vector<std::byte>(size, std::byte{0xaa})) << "done when recorded";
  for (int play = 0; play < 3; ++play) {
    {
      const auto access = from->write(0, size);
      for (std::byte& byte : access.bytes()) byte = static_cast<std::byte>(random_());
    }
    stream->play(*recording);
    stream->synchronize();
    EXPECT_EQ(content(*to), content(*from)) << play;
  }
}

TEST_P(RuntimeContract, ABatchIsRecordedToo) {
  const std::size_t part = 1000;
  const auto from = random_pinned(2 * part), to = pinned(2 * part);
  const auto device = runtime_->allocate(2 * part);
  const auto stream = runtime_->make_stream();
  stream->begin_recording();
  stream->copy(std::vector<Copy>{{device->address(), from->address(), part},
                                 {device->address() + part, from->address() + part, part}});
  stream->copy(std::vector<Copy>{{to->address() + part, device->address(), part},
                                 {to->address(), device->address() + part, part}});
  const auto recording = stream->end_recording();
  stream->play(*recording);
  stream->synchronize();
  std::vector<std::byte> wanted = content(*from);
  std::rotate(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(part), wanted.end());
  EXPECT_EQ(content(*to), wanted);
}

TEST_P(RuntimeContract, AStreamThatHasRecordedWorksAsBefore) {
  const auto from = random_pinned(100), to = pinned(100);
  const auto stream = runtime_->make_stream();
  stream->begin_recording();
  const auto nothing = stream->end_recording();
  stream->copy(std::vector<Copy>{{to->address(), from->address(), 100}});
  stream->play(*nothing);
  stream->synchronize();
  EXPECT_EQ(content(*to), content(*from));
}

TEST_P(RuntimeContract, MemoryThatIsNotToBeHadIsADeviceError) {
  if (is_fake()) {
    static_cast<lamina::testing::FakeRuntime&>(*runtime_).fail_at(0, "cudaErrorMemoryAllocation");
  }
  try {
    (void)runtime_->allocate_pinned(SIZE_MAX - 100);
    FAIL() << "nothing was thrown";
  } catch (const DeviceError& error) {
    EXPECT_FALSE(error.call().empty());
    EXPECT_FALSE(error.status().empty());
    EXPECT_NE(std::string(error.what()).find(error.status()), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("runtime"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(':'), std::string::npos) << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Each, RuntimeContract, ::testing::ValuesIn(kinds()),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(Runtimes, ADeviceThatIsNotThereIsRefused) {
  EXPECT_GE(cuda_device_count(), 0);
  EXPECT_THROW((void)make_runtime(Device::cuda(cuda_device_count())), Error);
}

}  // namespace
}  // namespace lamina::runtime

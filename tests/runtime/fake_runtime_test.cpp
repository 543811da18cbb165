// The double is what the transfers' tests rest on, so it is held to its own promises.
#include <gtest/gtest.h>
#include <lamina/error.h>

#include <cstring>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include "tests/fakes/fake_runtime.h"

namespace lamina::testing {
namespace {

using runtime::Copy;

struct Buffers {
  explicit Buffers(FakeRuntime& runtime)
      : device(runtime.allocate(64)), host(runtime.allocate_pinned(64)) {}
  [[nodiscard]] std::vector<Copy> down() const {
    return {{host->address(), device->address(), 64}};
  }
  [[nodiscard]] std::vector<Copy> up() const { return {{device->address(), host->address(), 64}}; }
  std::unique_ptr<runtime::DeviceMemory> device;
  std::unique_ptr<runtime::PinnedMemory> host;
};

TEST(OrderChecker, FindsAReadThatDidNotWaitForItsCopy) {
  FakeRuntime runtime;
  const Buffers buffers(runtime);
  const auto stream = runtime.make_stream();
  stream->copy(buffers.down());
  { const auto access = buffers.host->read(8, 8); }
  EXPECT_EQ(runtime.disorders().size(), 1U);
  stream->synchronize();
}

TEST(OrderChecker, AcceptsAReadThatWaited) {
  FakeRuntime runtime;
  const Buffers buffers(runtime);
  const auto event = runtime.make_event();
  const auto stream = runtime.make_stream();
  stream->copy(buffers.down());
  stream->record(*event);
  event->wait();
  { const auto access = buffers.host->read(8, 8); }
  EXPECT_TRUE(runtime.disorders().empty());
}

TEST(OrderChecker, FindsACopyIntoWhatTheHostIsStillReading) {
  FakeRuntime runtime;
  const Buffers buffers(runtime);
  const auto stream = runtime.make_stream();
  stream->copy(buffers.down());
  stream->synchronize();
  {
    const auto access = buffers.host->read(0, 64);
    stream->copy(buffers.down());
  }
  EXPECT_EQ(runtime.disorders().size(), 1U);
  stream->synchronize();
}

TEST(OrderChecker, FindsAnEventRecordedTooEarly) {
  FakeRuntime runtime;
  const Buffers buffers(runtime);
  const auto event = runtime.make_event();
  const auto stream = runtime.make_stream();
  stream->record(*event);
  stream->copy(buffers.down());
  event->wait();
  { const auto access = buffers.host->read(0, 1); }
  EXPECT_EQ(runtime.disorders().size(), 1U);
  stream->synchronize();
}

TEST(OrderChecker, FindsStreamsThatShareMemoryWithoutAnEvent) {
  FakeRuntime runtime;
  const Buffers buffers(runtime);
  const auto event = runtime.make_event();
  const auto first = runtime.make_stream(), second = runtime.make_stream();
  first->copy(buffers.down());
  first->record(*event);
  second->wait(*event);
  second->copy(buffers.up());
  EXPECT_TRUE(runtime.disorders().empty());
  first->copy(buffers.down());
  EXPECT_EQ(runtime.disorders().size(), 2U);  // of the device's bytes, and of the host's
  first->synchronize();
  second->synchronize();
}

TEST(OrderChecker, FindsMemoryReleasedUnderACopy) {
  FakeRuntime runtime;
  const auto stream = runtime.make_stream();
  {
    const Buffers buffers(runtime);
    stream->copy(buffers.down());
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // so that the copy itself is safe
  }
  EXPECT_EQ(runtime.disorders().size(), 2U);
}

TEST(OrderChecker, AcceptsOtherBytesOfTheSameMemory) {
  FakeRuntime runtime;
  const Buffers buffers(runtime);
  const auto stream = runtime.make_stream();
  stream->copy(std::vector<Copy>{{buffers.host->address(), buffers.device->address(), 32}});
  { const auto access = buffers.host->write(32, 32); }
  EXPECT_TRUE(runtime.disorders().empty());
  stream->synchronize();
}

TEST(FakeRuntime, PoisonsWhatACopyIsToFillUntilItIsDone) {
  FakeRuntime runtime;
  const Buffers buffers(runtime);
  std::memset(buffers.host->write(0, 64).bytes().data(), 1, 64);
  const auto target = runtime.allocate_pinned(64);
  std::memset(target->write(0, 64).bytes().data(), 2, 64);
  const auto stream = runtime.make_stream();
  std::atomic<bool> go = false;
  stream->copy(buffers.up());
  stream->synchronize();
  stream->call([&] {
    while (!go) std::this_thread::yield();
  });
  stream->copy(std::vector<Copy>{{target->address(), buffers.device->address(), 64}});
  EXPECT_EQ(target->address()[0], FakeDevice::kPoison);
  EXPECT_EQ(target->address()[63], FakeDevice::kPoison);
  go = true;
  stream->synchronize();
  EXPECT_EQ(target->read(0, 64).bytes()[63], std::byte{1});
}

TEST(FakeRuntime, RunsStreamsInAnOrderThatTheSeedDecides) {
  std::set<std::string> orders;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    FakeRuntime runtime({.seed = seed});
    std::string order;
    const auto gate = runtime.make_stream(), a = runtime.make_stream(), b = runtime.make_stream();
    const auto open = runtime.make_event();
    std::atomic<bool> go = false;
    gate->call([&] {
      while (!go) std::this_thread::yield();
    });
    gate->record(*open);
    a->wait(*open);
    b->wait(*open);
    for (int i = 0; i < 3; ++i) {
      a->call([&] { order += 'a'; });
      b->call([&] { order += 'b'; });
    }
    go = true;
    a->synchronize();
    b->synchronize();
    orders.insert(order);
  }
  EXPECT_GE(orders.size(), 10U);  // of 20
}

TEST(FakeRuntime, FailsTheCallThatItIsToldTo) {
  FakeRuntime runtime;
  runtime.fail_at(1, "cudaErrorMemoryAllocation");
  (void)runtime.allocate(8);
  try {
    (void)runtime.allocate_pinned(8);
    FAIL() << "nothing was thrown";
  } catch (const DeviceError& error) {
    EXPECT_EQ(error.call(), "allocate_pinned");
    EXPECT_EQ(error.status(), "cudaErrorMemoryAllocation");
  }
  (void)runtime.allocate_pinned(8);
  EXPECT_EQ(runtime.live(), 0);
}

TEST(FakeRuntime, FailsWorkLaterThanItsCall) {
  FakeRuntime runtime;
  const Buffers buffers(runtime);
  const auto stream = runtime.make_stream();
  runtime.fail_at(0, "cudaErrorIllegalAddress", FakeRuntime::Fault::kLater);
  stream->copy(buffers.down());
  EXPECT_THROW(stream->synchronize(), DeviceError);
}

TEST(FakeRuntime, RefusesToCopyMemoryThatItDoesNotHave) {
  FakeRuntime runtime;
  const Buffers buffers(runtime);
  const auto stream = runtime.make_stream();
  std::vector<std::byte> pageable(64);
  const auto refused = [&](const Copy& copy) {
    EXPECT_THROW(stream->copy(std::vector<Copy>{copy}), DeviceError);
  };
  refused({buffers.device->address(), pageable.data(), 64});
  refused({pageable.data(), buffers.device->address(), 64});
  refused({buffers.device->address(), buffers.host->address(), 65});
  refused({buffers.device->address() + 1, buffers.host->address(), 64});
  EXPECT_NO_THROW(stream->copy(std::vector<Copy>{{pageable.data(), pageable.data(), 0}}));
  stream->synchronize();
}

TEST(FakeRuntime, RefusesEventsOfAnotherDevice) {
  FakeRuntime runtime, other;
  const auto stream = runtime.make_stream();
  const auto event = other.make_event();
  EXPECT_THROW(stream->record(*event), DeviceError);
  EXPECT_THROW(stream->wait(*event), DeviceError);
}

TEST(FakeRuntime, RefusesCallsOfTheFunctionsThatItCalls) {
  FakeRuntime runtime;
  auto memory = runtime.allocate(64);
  const auto host = runtime.allocate_pinned(64);
  const auto other = runtime.make_stream();
  const auto event = runtime.make_event();
  const std::vector<std::function<void()>> calls = {
      [&] { (void)runtime.allocate(1); },
      [&] { (void)runtime.make_stream(); },
      [&] { event->wait(); },
      [&] { (void)event->done(); },
      [&] { other->record(*event); },
      [&] { other->synchronize(); },
      [&] {
        other->copy(std::vector<Copy>{{memory->address(), host->address(), 64}});
      }};
  for (const auto& call : calls) {
    const auto stream = runtime.make_stream();
    stream->call(call);
    try {
      stream->synchronize();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const DeviceError& error) {
      EXPECT_EQ(error.status(), "cudaErrorNotPermitted");
    }
  }
  EXPECT_EQ(runtime.disorders(), std::vector<std::string>{});
  other->call([&] { memory.reset(); });
  other->synchronize();
  EXPECT_EQ(runtime.disorders().size(), 1U);
}

TEST(FakeRuntime, CopiesTakeTheTimeOfTheirBytes) {
  VirtualClock clock;
  FakeRuntime runtime({.seed = 1, .bytes_per_second = 640, .clock = &clock});
  const Buffers buffers(runtime);
  const auto a = runtime.make_stream(), b = runtime.make_stream();
  a->copy(buffers.down());
  a->synchronize();
  EXPECT_NEAR(clock.now(), 0.1, 1e-9);
  b->copy(buffers.up());
  b->synchronize();
  EXPECT_NEAR(clock.now(), 0.2, 1e-9);
}

TEST(Recording, IsSpoiledByWhatCudaRefusesTheThreadThatRecords) {
  FakeRuntime runtime;
  const Buffers buffers(runtime);
  const auto stream = runtime.make_stream(), other = runtime.make_stream();
  const auto event = runtime.make_event();
  const std::vector<std::function<void()>> calls = {
      [&] { (void)runtime.allocate(1); }, [&] { (void)runtime.make_event(); },
      [&] { event->wait(); }, [&] { other->synchronize(); }, [&] { other->record(*event); }};
  for (const auto& call : calls) {
    stream->begin_recording();
    stream->copy(buffers.down());
    EXPECT_THROW(call(), DeviceError);
    EXPECT_THROW(stream->copy(buffers.down()), DeviceError);
    EXPECT_THROW((void)stream->end_recording(), DeviceError);
    EXPECT_NO_THROW(call());
  }
  EXPECT_EQ(runtime.recordings(), 0U);
  stream->synchronize();
}

TEST(Recording, IsNotForTheWorkOfOtherThreads) {
  FakeRuntime runtime;
  const Buffers buffers(runtime);
  const auto stream = runtime.make_stream();
  stream->begin_recording();
  std::thread([&] { EXPECT_THROW(stream->copy(buffers.down()), DeviceError); }).join();
  EXPECT_THROW((void)stream->end_recording(), DeviceError);
}

TEST(Recording, IsNotPlayedWhenItsMemoryHasGone) {
  FakeRuntime runtime;
  Buffers buffers(runtime);
  const auto stream = runtime.make_stream();
  stream->begin_recording();
  stream->copy(buffers.down());
  const auto recording = stream->end_recording();
  buffers.device.reset();
  EXPECT_THROW(stream->play(*recording), DeviceError);
}

TEST(Recording, IsSpoiledByAWaitForItsStreamOnAnyThread) {
  FakeRuntime runtime;
  const Buffers buffers(runtime);
  const auto stream = runtime.make_stream();
  for (const bool same_thread : {true, false}) {
    stream->begin_recording();
    stream->copy(buffers.down());
    const auto wait = [&] { EXPECT_THROW(stream->synchronize(), DeviceError); };
    if (same_thread) {
      wait();
    } else {
      std::thread(wait).join();
    }
    EXPECT_THROW((void)stream->end_recording(), DeviceError);
    stream->begin_recording();
    EXPECT_NO_THROW((void)stream->end_recording());
  }
  EXPECT_EQ(runtime.recordings(), 2U);
}

TEST(Recording, IsCheckedForDisorderWhenItIsPlayed) {
  FakeRuntime runtime;
  const Buffers buffers(runtime);
  const auto stream = runtime.make_stream();
  stream->begin_recording();
  stream->copy(buffers.down());
  const auto recording = stream->end_recording();
  EXPECT_TRUE(runtime.disorders().empty());
  {
    const auto access = buffers.host->read(0, 64);
    stream->play(*recording);
  }
  EXPECT_EQ(runtime.disorders().size(), 1U);
  stream->synchronize();
}

}  // namespace
}  // namespace lamina::testing

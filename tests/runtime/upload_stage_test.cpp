// What is sent to a device beside what it computes, on a double that works late, in random order
// between streams, and reports copies that nothing orders.
#include <gtest/gtest.h>
#include <lamina/error.h>

#include <cstring>
#include <random>

#include "runtime/staged_copy.h"
#include "runtime/upload_stage.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/fresh_seed.h"

namespace lamina::testing {
namespace {

using runtime::DeviceContext;
using runtime::UploadStage;
using Bytes = std::vector<std::byte>;
using Parts = std::vector<std::span<const std::byte>>;

constexpr Device kGpu = Device::cuda(0);

class UploadStages : public ::testing::Test {
 protected:
  UploadStages() { std::printf("seed %u\n", seed_); }

  Bytes bytes(std::size_t size) {
    Bytes out(size);
    for (std::byte& each : out) each = static_cast<std::byte>(random_());
    return out;
  }
  /// As many as three, some empty, some larger than a page.
  std::vector<Bytes> some() {
    std::vector<Bytes> out;
    for (const std::size_t most : {10000U, 1U, 300U}) out.push_back(bytes(random_() % (most + 1)));
    return out;
  }
  static Parts parts_of(const std::vector<Bytes>& all) { return {all.begin(), all.end()}; }

  /// Places on the device, each of 10,000 bytes.
  struct Places {
    explicit Places(const std::shared_ptr<DeviceContext>& context) {
      for (int i = 0; i < 3; ++i) memory.push_back(runtime::allocate_shared(context, 10000));
    }
    [[nodiscard]] std::vector<std::byte*> addresses() const {
      std::vector<std::byte*> out;
      for (const auto& each : memory) out.push_back(static_cast<std::byte*>(each.get()));
      return out;
    }
    std::vector<std::shared_ptr<void>> memory;
  };
  /// What lies there once the device has computed what it was given.
  static void expect_there(DeviceContext& context, const Places& places,
                           const std::vector<Bytes>& wanted) {
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (wanted[i].empty()) continue;
      Bytes got(wanted[i].size());
      const runtime::Download part[] = {{got, places.addresses()[i]}};
      context.with_mark([&](const runtime::Event& mark) {
        const runtime::Event* after[] = {&mark};
        runtime::download(part, context.staging_ring(), after);
      });
      EXPECT_EQ(got, wanted[i]) << "part " << i;
    }
  }

  const unsigned seed_ = lamina::test::fresh_seed();
  std::mt19937 random_{seed_};
  const FakeGpu gpu_{{.seed = seed_}, {2, 1 << 16}};
  const std::shared_ptr<DeviceContext> context_ = runtime::devices().get(kGpu);
};

// Each sending goes before what the one before is copied for has been waited for: the second event
// of the protocol alone keeps it from being written over, the first one from being taken early.
TEST_F(UploadStages, GiveEachSendingWhatWasSentAndLeaveNothingUnordered) {
  const Places places(context_);
  UploadStage stage(context_);
  std::vector<Bytes> now = some();
  UploadStage::Number number = stage.send(parts_of(now));
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(stage.holds(number));
    stage.take(number, places.addresses());
    EXPECT_FALSE(stage.holds(number));
    const std::vector<Bytes> next = some();
    number = stage.send(parts_of(next));
    expect_there(*context_, places, now);
    now = next;
  }
  EXPECT_EQ(gpu_->disorders(), std::vector<std::string>{});
}

TEST_F(UploadStages, WaitForNothingOnceThereIsRoom) {
  const Places places(context_);
  UploadStage stage(context_);
  const std::vector<Bytes> all = {bytes(9000), bytes(1), bytes(300)};
  std::size_t calls = 0;
  for (int i = 0; i < 10; ++i) {
    const std::size_t waits = gpu_->plays_at_waits().size(), before = gpu_->calls();
    stage.take(stage.send(parts_of(all)), places.addresses());
    if (i > 1) {
      EXPECT_EQ(gpu_->plays_at_waits().size(), waits) << i;
    }
    if (i > 2) {
      EXPECT_EQ(gpu_->calls() - before, calls) << i;
    }
    calls = gpu_->calls() - before;
    context_->mark()->wait();  // for the step
  }
  EXPECT_EQ(gpu_->disorders(), std::vector<std::string>{});
}

TEST_F(UploadStages, HoldOneSendingWhichIsTakenOnce) {
  const Places places(context_);
  UploadStage stage(context_);
  const std::vector<Bytes> first = some(), second = some();
  const UploadStage::Number a = stage.send(parts_of(first)), b = stage.send(parts_of(second));
  EXPECT_FALSE(stage.holds(a));
  EXPECT_THROW(stage.take(a, places.addresses()), ValueError);
  EXPECT_TRUE(stage.holds(b));
  stage.take(b, places.addresses());
  EXPECT_THROW(stage.take(b, places.addresses()), ValueError);
  expect_there(*context_, places, second);
  const UploadStage::Number c = stage.send(parts_of(first));
  stage.forget();
  EXPECT_FALSE(stage.holds(c));
  EXPECT_EQ(gpu_->disorders(), std::vector<std::string>{});
}

TEST_F(UploadStages, OfNothingAreTakenAsWell) {
  UploadStage stage(context_);
  const Parts none(2);
  const std::vector<std::byte*> nowhere(2, nullptr);
  for (int i = 0; i < 3; ++i) {
    const UploadStage::Number number = stage.send(none);
    EXPECT_TRUE(stage.holds(number));
    stage.take(number, nowhere);
  }
  EXPECT_EQ(gpu_->used(), 0U);
}

TEST_F(UploadStages, AreThereWhenSettled) {
  const Places places(context_);
  UploadStage stage(context_);
  for (int i = 0; i < 5; ++i) {
    const std::vector<Bytes> all = some();
    const UploadStage::Number number = stage.send(parts_of(all));
    stage.settle(number);
    const std::size_t waits = gpu_->plays_at_waits().size();
    stage.settle(number);
    EXPECT_EQ(gpu_->plays_at_waits().size(), waits) << "nothing is left to wait for";
    if (i % 2 == 0) stage.take(number, places.addresses());
  }
  EXPECT_EQ(gpu_->disorders(), std::vector<std::string>{});
}

// First neither place has memory, then one has, then both.
TEST_F(UploadStages, GoByTheSharedSlotsWherePageLockedMemoryIsShort) {
  const Places places(context_);
  UploadStage stage(context_);
  const auto contents = [&] { return std::vector<Bytes>{bytes(9000), bytes(1), bytes(300)}; };
  const auto send_without_memory = [&](const std::vector<Bytes>& all) {
    gpu_->fail_at(0, "cudaErrorMemoryAllocation");  // what each place asks for first
    const UploadStage::Number number = stage.send(parts_of(all));
    gpu_->fail_never();
    return number;
  };
  std::vector<Bytes> now = contents();
  UploadStage::Number number = send_without_memory(now);
  const std::size_t of_slots = gpu_->peak_pinned();
  for (int i = 0; i < 6; ++i) {
    SCOPED_TRACE(i);
    EXPECT_TRUE(stage.holds(number));
    stage.settle(number);
    stage.take(number, places.addresses());
    const std::vector<Bytes> next = contents();
    number = i == 0 ? send_without_memory(next) : stage.send(parts_of(next));
    if (i == 0) {
      EXPECT_EQ(gpu_->peak_pinned(), of_slots);
    }
    expect_there(*context_, places, now);
    now = next;
  }
  EXPECT_GT(gpu_->peak_pinned() - of_slots, 2 * 9300U);
  EXPECT_EQ(gpu_->disorders(), std::vector<std::string>{});
}

// The n-th call fails: that is thrown, and what is sent next arrives, for every n.
TEST_F(UploadStages, GoOnAfterAFailureOfAnyCall) {
  const Places places(context_);
  bool reached = true;
  int failures = 0;
  for (std::size_t n = 0; reached && n < 100; ++n) {
    SCOPED_TRACE(n);
    UploadStage stage(context_);
    stage.take(stage.send(parts_of(some())), places.addresses());
    const std::vector<Bytes> lost = some(), next = some();
    gpu_->fail_at(n);
    try {
      for (int i = 0; i < 3; ++i) stage.take(stage.send(parts_of(lost)), places.addresses());
    } catch (const DeviceError&) {
      ++failures;
    }
    reached = gpu_->calls() > n;
    gpu_->fail_never();
    stage.take(stage.send(parts_of(next)), places.addresses());
    expect_there(*context_, places, next);
  }
  EXPECT_FALSE(reached);
  EXPECT_GT(failures, 10);
  EXPECT_EQ(gpu_->disorders(), std::vector<std::string>{});
}

}  // namespace
}  // namespace lamina::testing

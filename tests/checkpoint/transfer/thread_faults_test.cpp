// No thread is to be had, or no memory for one: at the start of any of them, or of any and all
// later. This program's own pthread_create stands before the C library's.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <lamina/error.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <limits>
#include <new>

#include "checkpoint/background/save_queue.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/save/begin_save.h"
#include "checkpoint/save/save_job.h"
#include "checkpoint/transfer/background_sums.h"
#include "checkpoint/transfer/device_run.h"
#include "checkpoint/transfer/parallel.h"
#include "runtime/host/host_runtime.h"
#include "tests/checkpoint/transfer/device_trees.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/fake_runtime.h"
#include "tests/fakes/open_resources.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace {

/// While it lives the thread that would be the n-th from now on, counted from 0, does not start,
/// and if `later` none after it does. The program ends where this takes too long: it hangs.
class NoThread {
 public:
  NoThread(std::size_t n, bool later) {
    started_ = 0;
    first_ = n;
    last_ = later ? std::numeric_limits<std::size_t>::max() : n;
    ::alarm(60);
  }
  ~NoThread() {
    first_ = kNever;
    ::alarm(0);
  }
  NoThread(const NoThread&) = delete;
  NoThread& operator=(const NoThread&) = delete;

  [[nodiscard]] static bool is_due() {
    const std::size_t n = started_++;
    return n >= first_ && n <= last_;
  }
  [[nodiscard]] bool reached() const { return started_ > first_; }

 private:
  static constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();
  static inline std::atomic<std::size_t> started_ = 0, first_ = kNever, last_ = 0;
};

}  // namespace

extern "C" __attribute__((visibility("default"))) int pthread_create(
    pthread_t* thread, const pthread_attr_t* attributes, void* (*work)(void*),
    void* argument) noexcept {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = reinterpret_cast<Create>(::dlsym(RTLD_NEXT, "pthread_create"));
  return NoThread::is_due() ? EAGAIN : create(thread, attributes, work, argument);
}

namespace lamina::checkpoint {
namespace {

using lamina::testing::DeviceTree;
using lamina::testing::FakeRuntime;
using lamina::testing::OpenResources;
using lamina::testing::poisoned_copy;
using lamina::testing::random_tensor;
using lamina::testing::same_values;
using lamina::testing::snapshot;
using lamina::testing::TemporaryDirectory;
using lamina::testing::TreeBuilder;
using runtime::PinnedRing;
using ::testing::HasSubstr;

/// Counts its calls; there is no memory for its n-th copy, nor for those after it.
class Uncopyable {
 public:
  struct Shared {
    std::size_t copies_left;
    std::atomic<int> calls = 0;
  };
  explicit Uncopyable(Shared& shared) : shared_(&shared) {}
  Uncopyable(const Uncopyable& other) : shared_(other.shared_) {
    if (shared_->copies_left-- == 0) {
      shared_->copies_left = 0;
      throw std::bad_alloc();
    }
  }
  Uncopyable(Uncopyable&& other) noexcept = default;
  Uncopyable& operator=(const Uncopyable&) = delete;
  Uncopyable& operator=(Uncopyable&&) = delete;
  ~Uncopyable() = default;
  void operator()() const { ++shared_->calls; }

 private:
  Shared* shared_;
};

/// Each of the first starts fails, until there are no more; alone, and with all after it.
template <class F>
void at_each_start(const F& test) {
  for (const bool later : {false, true}) {
    bool reached = true;
    std::size_t n = 0;
    for (; reached && !::testing::Test::HasFailure(); ++n) {
      SCOPED_TRACE(std::to_string(n) + (later ? " and later" : ""));
      const std::size_t threads = OpenResources::now().threads;
      test(n, later, reached);
      EXPECT_EQ(OpenResources::now().threads, threads);
    }
    EXPECT_GT(n, 1U) << "no thread was started";
  }
}

class ThreadFaults : public ::testing::Test {
 protected:
  const std::uint64_t seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{static_cast<unsigned>(seed_)};
};

TEST_F(ThreadFaults, OfThreadsThatShareTasksLeaveTheTasksToTheRest) {
  at_each_start([](std::size_t n, bool later, bool& reached) {
    std::vector<int> done(1000);
    const NoThread fault(n, later);
    parallel_for(done.size(), 4, [&](std::size_t i) { ++done[i]; });
    reached = fault.reached();
    EXPECT_THAT(done, ::testing::Each(1));
  });
}

TEST_F(ThreadFaults, OfPoolsSayWhatTheHindranceWas) {
  for (std::size_t n = 0; n <= 4; ++n) {
    SCOPED_TRACE(n);
    Uncopyable::Shared shared{.copies_left = 4};
    std::exception_ptr hindrance;
    {
      const std::function<void()> work = Uncopyable(shared);
      shared.copies_left = n;
      const ThreadPool pool(4, work);
      EXPECT_EQ(pool.threads.size(), n);
      hindrance = pool.hindrance;
    }
    EXPECT_EQ(shared.calls, static_cast<int>(n));
    ASSERT_EQ(hindrance == nullptr, n == 4);
    if (!hindrance) continue;
    EXPECT_THROW(std::rethrow_exception(hindrance), std::bad_alloc);
  }
}

TEST_F(ThreadFaults, OfSumsInTheBackgroundLeaveThemToWhoFinishes) {
  at_each_start([this](std::size_t n, bool later, bool& reached) {
    std::vector<std::byte> bytes(100'000);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random_());
    TensorChecksum sum(bytes.size());
    const NoThread fault(n, later);
    BackgroundSums sums;
    for (std::size_t at = 0; at < bytes.size(); at += 1000) {
      sums.add(sum, at, std::span(bytes).subspan(at, 1000));
    }
    sums.finish();
    reached = fault.reached();
    EXPECT_EQ(sum.value(), core::crc32c(std::span<const std::byte>(bytes)));
  });
}

TEST_F(ThreadFaults, OfDevicesTransfersSurfaceOrLeaveTheWorkToTheRest) {
  for (const bool loads : {false, true}) {
    SCOPED_TRACE(loads ? "loads" : "saves");
    std::size_t failed = 0;
    at_each_start([&](std::size_t n, bool later, bool& reached) {
      FakeRuntime runtime({.seed = seed_ + n});
      PinnedRing ring(runtime, {4, 4096});
      std::mt19937_64 random(seed_);
      DeviceTree tree(runtime, random, 30, 9'000);
      const auto transfer = [&] {
        const ByteProgress::Callback none;
        ByteProgress progress(none, 0);
        if (loads) {
          tree.fresh_files();
          tree.prepare_load();
          read_to_device(tree.reads(), ring, progress, {.threads = 3});
          return tree.device_holds_values();
        }
        tree.upload();
        tree.fresh_files();
        write_from_device(tree.writes(), ring, progress, {.threads = 3});
        return tree.files_hold_values();
      };
      try {
        const NoThread fault(n, later);
        const bool whole = transfer();
        reached = fault.reached();
        EXPECT_TRUE(whole);
      } catch (const DeviceError& error) {
        ++failed;
        EXPECT_EQ(error.call(), "std::thread");
        EXPECT_THAT(error.what(), HasSubstr("Resource temporarily unavailable"));
      }
      EXPECT_TRUE(transfer());
      EXPECT_EQ(runtime.disorders(), std::vector<std::string>{});
    });
    EXPECT_GE(failed, 1U);
  }
}

TEST_F(ThreadFaults, WithoutMemoryForAThreadSurfaceOrLeaveTheWorkToTheRest) {
  for (std::size_t n = 0; n <= 3; ++n) {
    SCOPED_TRACE(n);
    ::alarm(60);
    FakeRuntime runtime;
    PinnedRing ring(runtime, {4, 4096});
    std::mt19937_64 random(seed_);
    DeviceTree tree(runtime, random, 30, 9'000);
    tree.prepare_load();
    std::vector<FilePlace> places;
    for (const DeviceRead& extent : tree.reads()) {
      places.push_back({extent.file, extent.offset, extent.size});
    }
    const DeviceTransferOptions options{.threads = 3};
    DeviceRun run(plan_chunks(places, ring.slot_bytes()), places, ring, options);
    Uncopyable::Shared shared{.copies_left = 3};
    std::function<void()> work = Uncopyable(shared);
    shared.copies_left = n;
    bool meanwhile = false;
    run.run_threads(work, [&] { meanwhile = true; });
    EXPECT_TRUE(meanwhile) << "who waits for the caller's part waits for ever";
    EXPECT_EQ(shared.calls, static_cast<int>(n));
    EXPECT_EQ(run.stopped(), n == 0);
    if (n == 0) {
      EXPECT_THROW(run.finish(), DeviceError);
    } else {
      run.finish();
    }
    ::alarm(0);
  }
}

TEST_F(ThreadFaults, OfStreamsOfTheHostSurface) {
  runtime::HostRuntime runtime;
  {
    const NoThread fault(0, false);
    EXPECT_THROW((void)runtime.make_stream(), DeviceError);
  }
  int called = 0;
  const auto stream = runtime.make_stream();
  stream->call([&] { ++called; });
  stream->synchronize();
  EXPECT_EQ(called, 1);
}

TEST_F(ThreadFaults, OfSavesAndLoadsLeaveTheWorkToTheRest) {
  TreeBuilder builder;
  for (int i = 0; i < 6; ++i) {
    const std::string name = "x_" + std::to_string(i);
    builder.layer("layers/" + name, name, {random_tensor(random_, {1000, 1100}, DType::kFloat32)});
  }
  const std::vector<Tensor> wanted = snapshot(builder.tree);
  const TemporaryDirectory directory{lamina::testing::memory_directory()};
  const auto path = directory / "m.weights.json";
  SaveRequest request;
  request.max_shard_size = 9e6 / lamina::testing::kGB;
  at_each_start([&](std::size_t n, bool later, bool& reached) {
    const auto copy = poisoned_copy(builder.tree);
    {
      const NoThread fault(n, later);
      SaveQueue queue(2);
      const TreePtr tree(TreePtr(), &builder.tree);
      const auto job =
          std::make_shared<SaveJob>(begin_save(tree, path, request, storage::posix()).value());
      const auto state = std::make_shared<SaveState>(path);
      queue.submit("key", state, [job](SaveState& s) { run_save(*job, storage::posix(), s); });
      state->wait();
      state->throw_failure();
      load(copy, path, {});
      reached = fault.reached();
    }
    EXPECT_TRUE(same_values(snapshot(copy), wanted));
  });
}

}  // namespace
}  // namespace lamina::checkpoint

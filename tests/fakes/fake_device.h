#pragma once
#include <lamina/error.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "runtime/runtime.h"
#include "tests/fakes/order_checker.h"
#include "tests/fakes/virtual_clock.h"

namespace lamina::testing {

struct FakeOptions {
  std::uint64_t seed = 0;
  double bytes_per_second = 0;    ///< of all copies together, in virtual time; 0: they take none
  VirtualClock* clock = nullptr;  ///< needed with a speed
  std::size_t memory = std::numeric_limits<std::size_t>::max();  ///< bytes that it has
};

/// One recording of an event.
struct FakeMark {
  bool fired = false;
  std::exception_ptr failure;
  double time = 0;
  OrderChecker::Clock clock;
};

struct FakeWork {
  std::vector<runtime::Copy> copies;
  std::function<void()> function;
  std::shared_ptr<FakeMark> records, awaits;
  std::optional<DeviceError> fails;
  double ready = 0;  ///< virtual time before which it cannot start
  bool started = false;
};

struct FakeQueue {
  std::deque<FakeWork> work;
  std::exception_ptr failure;
  double time = 0;
  OrderChecker::Actor actor = 0;
};

/// The device behind a FakeRuntime: a thread that takes the streams' work in a seeded random order
/// and puts it off as long as nobody waits. Everything is guarded by one mutex.
class FakeDevice {
 public:
  static constexpr std::byte kPoison{0xdb};

  explicit FakeDevice(const FakeOptions& options)
      : options_(options), random_(options.seed), thread_([this] { run(); }) {}
  ~FakeDevice() {
    {
      const std::lock_guard lock(mutex);
      closing_ = true;
    }
    changed.notify_all();
    thread_.join();
  }

  /// Gives a queue work; only what has started can no longer fail.
  void push(FakeQueue& queue, FakeWork work) {
    const std::lock_guard lock(mutex);
    work.ready = ready_time(work);
    poison_idle(work);
    queue.work.push_back(std::move(work));
    changed.notify_all();
  }
  /// Blocks the caller until the mark has fired, or the queue is empty.
  template <class Done>
  void block(std::unique_lock<std::mutex>& lock, Done&& done) {
    ++waiters_;
    changed.notify_all();
    changed.wait(lock, done);
    --waiters_;
  }
  /// Whether a function that the device calls is asking.
  [[nodiscard]] bool in_function() const { return std::this_thread::get_id() == thread_.get_id(); }
  void pass(double time) const {
    if (options_.clock != nullptr) options_.clock->advance_to(time);
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::list<FakeQueue> queues;
  OrderChecker checker;
  /// When the host last let go of some memory, and when the last copy of it ended.
  struct Block {
    std::size_t size;
    double released = 0;
    double copied = 0;
  };
  std::map<const std::byte*, Block> blocks;

  /// Whether these bytes are all of one allocation.
  [[nodiscard]] bool holds(const std::byte* at, std::size_t size) {
    if (size == 0) return true;
    const auto after = blocks.upper_bound(at);
    if (after == blocks.begin()) return false;
    const auto& [begin, block] = *std::prev(after);
    return at + size <= begin + block.size;
  }
  void released(const std::byte* at) {
    if (Block* block = block_of(at)) block->released = std::max(block->released, now());
  }
  /// The host comes to this memory once the copies of it have ended.
  void reached(const std::byte* at) {
    if (const Block* block = block_of(at)) pass(block->copied);
  }

 private:
  [[nodiscard]] double now() const { return options_.clock ? options_.clock->now() : 0.0; }
  Block* block_of(const std::byte* at) {
    auto after = blocks.upper_bound(at);
    if (after == blocks.begin()) return nullptr;
    --after;
    return at < after->first + after->second.size ? &after->second : nullptr;
  }
  double ready_time(const FakeWork& work) {
    double ready = now();
    for (const runtime::Copy& copy : work.copies) {
      for (const std::byte* side : {static_cast<const std::byte*>(copy.to), copy.from}) {
        if (const Block* block = block_of(side)) ready = std::max(ready, block->released);
      }
    }
    return ready;
  }
  /// What a copy will fill is no longer of use from the moment that it was asked for, unless
  /// an earlier copy has yet to use it.
  void poison_idle(const FakeWork& work) {
    for (const FakeQueue& queue : queues) {
      for (const FakeWork& earlier : queue.work) {
        if (touches(earlier, work)) return;
      }
    }
    poison(work);
  }
  static bool touches(const FakeWork& earlier, const FakeWork& later) {
    const auto overlap = [](const std::byte* a, std::size_t n, const std::byte* b, std::size_t m) {
      return a < b + m && b < a + n;
    };
    for (const runtime::Copy& a : earlier.copies) {
      for (const runtime::Copy& b : later.copies) {
        if (overlap(a.to, a.size, b.to, b.size) || overlap(a.from, a.size, b.to, b.size) ||
            overlap(a.to, a.size, b.from, b.size))
          return true;
      }
    }
    return false;
  }
  static void poison(const FakeWork& work) {
    for (const runtime::Copy& copy : work.copies) {
      if (copy.size > 0) std::memset(copy.to, static_cast<int>(kPoison), copy.size);
    }
  }

  [[nodiscard]] static bool runnable(const FakeQueue& queue) {
    if (queue.work.empty()) return false;
    const FakeWork& head = queue.work.front();
    return !head.awaits || head.awaits->fired;
  }
  FakeQueue* choose() {
    std::vector<FakeQueue*> able;
    for (FakeQueue& queue : queues) {
      if (runnable(queue)) able.push_back(&queue);
    }
    return able.empty() ? nullptr : able[random_() % able.size()];
  }
  void run() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return closing_ || choose() != nullptr; });
      FakeQueue* queue = choose();
      if (queue == nullptr) return;
      step(*queue, lock);
      changed.notify_all();
      if (random_() % 2 == 0 && waiters_ == 0) dawdle(lock);
    }
  }
  void dawdle(std::unique_lock<std::mutex>& lock) {
    changed.wait_for(lock, std::chrono::microseconds(50), [&] { return waiters_ > 0 || closing_; });
  }
  /// Starts the first work of the queue, or ends what it has started.
  void step(FakeQueue& queue, std::unique_lock<std::mutex>& lock) {
    FakeWork& work = queue.work.front();
    if (!work.started && !work.copies.empty() && !queue.failure) {
      work.started = true;
      poison(work);
      return;
    }
    if (!queue.failure) perform(queue, work, lock);
    if (work.records) {
      work.records->fired = true;
      work.records->failure = queue.failure;
      work.records->time = queue.time;
    }
    queue.work.pop_front();
  }
  void perform(FakeQueue& queue, FakeWork& work, std::unique_lock<std::mutex>& lock) {
    try {
      if (work.fails) throw *work.fails;
      queue.time = std::max(queue.time, work.ready);
      if (work.awaits) {
        queue.time = std::max(queue.time, work.awaits->time);
        if (work.awaits->failure) std::rethrow_exception(work.awaits->failure);
      }
      std::size_t bytes = 0;
      for (const runtime::Copy& copy : work.copies) {
        if (copy.size > 0) std::memcpy(copy.to, copy.from, copy.size);
        bytes += copy.size;
      }
      if (options_.bytes_per_second > 0 && bytes > 0) {
        queue.time = bus_.take(queue.time, static_cast<double>(bytes) / options_.bytes_per_second);
      }
      for (const runtime::Copy& copy : work.copies) {
        for (const std::byte* side : {static_cast<const std::byte*>(copy.to), copy.from}) {
          if (Block* block = block_of(side)) block->copied = std::max(block->copied, queue.time);
        }
      }
      if (work.function) {
        lock.unlock();
        const Relock relock{lock};
        work.function();
      }
    } catch (...) {
      queue.failure = std::current_exception();
    }
  }
  struct Relock {
    std::unique_lock<std::mutex>& lock;
    ~Relock() { lock.lock(); }
  };

  FakeOptions options_;
  std::mt19937_64 random_;
  Lane bus_;
  int waiters_ = 0;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace lamina::testing

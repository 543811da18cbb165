#pragma once
#include <algorithm>
#include <atomic>
#include <limits>
#include <string>

#include "runtime/aligned_bytes.h"
#include "tests/fakes/fake_device.h"

namespace lamina::testing {

/// A device that keeps its word and no more: puts work off, runs it in a seeded random order
/// between streams and in order within one, poisons what a copy is to fill until it is done, takes
/// (virtual) time for copies, fails where it is told to, reports what no event ordered, and refuses
/// calls by the functions that it calls.
class FakeRuntime final : public runtime::Runtime {
 public:
  enum class Fault { kNow, kLater };  ///< thrown by the call; or by what waits for its work

  explicit FakeRuntime(const FakeOptions& options = {})
      : memory_(options.memory), device_(options) {}

  /// Call `n`, counted from 0 and from now, fails with this status.
  void fail_at(std::size_t n, std::string status = "cudaErrorLaunchFailure",
               Fault fault = Fault::kNow) {
    calls_ = 0;
    due_ = n;
    status_ = std::move(status);
    fault_ = fault;
  }
  void fail_never() { fail_at(std::numeric_limits<std::size_t>::max()); }
  [[nodiscard]] std::size_t calls() const { return calls_; }
  /// Memory, streams and events that there are, and bytes of either memory now and at most.
  [[nodiscard]] int live() const { return live_; }
  [[nodiscard]] std::size_t peak_pinned() const { return peak_pinned_; }
  [[nodiscard]] std::size_t used() const { return used_; }
  /// Streams and events made so far.
  [[nodiscard]] std::size_t made() const { return made_; }
  /// Allocations of the device's memory so far.
  [[nodiscard]] std::size_t allocations() const { return allocations_; }
  /// Batches of copies that streams were given, by themselves and not in a recording.
  [[nodiscard]] std::size_t batches() const { return batches_; }
  /// Recordings made, and how often one was played.
  [[nodiscard]] std::size_t recordings() const { return recordings_; }
  [[nodiscard]] std::size_t plays() const { return plays_; }
  /// How many had been played at each of the host's waits, for an event or a stream.
  [[nodiscard]] std::vector<std::size_t> plays_at_waits() {
    const std::lock_guard lock(device_.mutex);
    return plays_at_waits_;
  }
  [[nodiscard]] std::vector<std::string> disorders() {
    const std::lock_guard lock(device_.mutex);
    return device_.checker.reports();
  }

  std::unique_ptr<runtime::DeviceMemory> allocate(std::size_t bytes) override {
    step("allocate");
    ++allocations_;
    return std::make_unique<Allocated>(*this, bytes);
  }
  std::unique_ptr<runtime::PinnedMemory> allocate_pinned(std::size_t bytes) override {
    step("allocate_pinned");
    auto memory = std::make_unique<Pinned>(*this, bytes);
    peak_pinned_ = std::max<std::size_t>(peak_pinned_, pinned_ += bytes);
    return memory;
  }
  std::unique_ptr<runtime::Stream> make_stream() override {
    step("make_stream");
    ++made_;
    return std::make_unique<FakeStream>(*this);
  }
  std::unique_ptr<runtime::Event> make_event() override {
    step("make_event");
    ++made_;
    return std::make_unique<FakeEvent>(*this);
  }

 private:
  class Counted {
   public:
    explicit Counted(FakeRuntime& owner) : owner_(owner) { ++owner_.live_; }
    ~Counted() { --owner_.live_; }
    Counted(const Counted&) = delete;

   protected:
    FakeRuntime& owner_;
  };

  [[nodiscard]] std::optional<DeviceError> due(const char* call) {
    if (calls_++ != due_) return std::nullopt;
    return DeviceError(call, status_, "injected fault", SourceLocation::current(),
                       status_ == "cudaErrorMemoryAllocation");
  }
  void step(const char* call) {
    refuse_in_function(call);
    if (const auto error = due(call)) throw *error;
    if (recorder_.load() == std::this_thread::get_id()) {
      spoiled_ = true;
      refuse(call, "cudaErrorStreamCaptureUnsupported", "a stream is recording");
    }
  }
  [[noreturn]] static void refuse(const char* call, const char* status, const char* why) {
    throw DeviceError(call, status, why, SourceLocation::current());
  }
  [[noreturn]] static void refuse_spoiled(const char* call) {
    refuse(call, "cudaErrorStreamCaptureInvalidated", "something else was done meanwhile");
  }
  void refuse_in_function(const char* call) const {
    if (device_.in_function()) {
      refuse(call, "cudaErrorNotPermitted", "called by a function that a stream calls");
    }
  }
  /// For calls that give work: the fault that is to come out of the work, if any.
  std::optional<DeviceError> step_of_work(const char* call) {
    refuse_in_function(call);
    auto error = due(call);
    if (error && fault_ == Fault::kNow) throw *error;
    return error;
  }

  template <class Base>
  class Memory : private Counted, public Base {
   public:
    Memory(FakeRuntime& owner, std::size_t size)
        : Memory(owner, runtime::page_aligned(size), size) {}
    ~Memory() override {
      const std::lock_guard lock(device().mutex);
      if (device().in_function()) {
        device().checker.report("a function that a stream calls releases memory");
      }
      device().checker.release(this->address(), this->size());
      device().blocks.erase(this->address());
    }

   protected:
    FakeDevice& device() { return owner_.device_; }
    void give_back(std::atomic<std::size_t>& counter) { counter -= this->size(); }
    FakeRuntime& owner() { return owner_; }

   private:
    Memory(FakeRuntime& owner, runtime::AlignedBytes bytes, std::size_t size)
        : Counted(owner), Base(bytes.get(), size), bytes_(std::move(bytes)) {
      std::fill_n(bytes_.get(), size, FakeDevice::kPoison);
      const std::lock_guard lock(device().mutex);
      device().blocks[bytes_.get()] = {size};
    }
    runtime::AlignedBytes bytes_;
  };

  /// Bytes of the device's memory, of which there are so many.
  class Share {
   public:
    Share(FakeRuntime& owner, std::size_t size) : owner_(owner), size_(size) {
      if ((owner_.used_ += size) <= owner_.memory_) return;
      owner_.used_ -= size;
      throw DeviceError("allocate", "cudaErrorMemoryAllocation", "out of memory",
                        SourceLocation::current(), true);
    }
    ~Share() { owner_.used_ -= size_; }
    Share(const Share&) = delete;

   private:
    FakeRuntime& owner_;
    std::size_t size_;
  };

  class Allocated final : private Share, public Memory<runtime::DeviceMemory> {
   public:
    Allocated(FakeRuntime& owner, std::size_t size) : Share(owner, size), Memory(owner, size) {}
  };

  class Pinned final : public Memory<runtime::PinnedMemory> {
   public:
    using Memory::Memory;
    ~Pinned() override { give_back(owner().pinned_); }

   protected:
    void begin_access(std::span<const std::byte> bytes, bool writes) noexcept override {
      const std::lock_guard lock(device().mutex);
      device().checker.begin_host({bytes.data(), bytes.size(), writes});
      device().reached(bytes.data());
    }
    void end_access(std::span<const std::byte> bytes, bool writes) noexcept override {
      const std::lock_guard lock(device().mutex);
      if (!bytes.empty()) device().checker.end_host({bytes.data(), bytes.size(), writes});
      device().released(bytes.data());
    }
  };

  class FakeEvent final : private Counted, public runtime::Event {
   public:
    using Counted::Counted;
    bool done() const override {
      owner_.step("Event::done");
      const std::lock_guard lock(owner_.device_.mutex);
      if (mark_ && mark_->fired) arrive();
      return !mark_ || mark_->fired;
    }
    void wait() const override {
      owner_.step("Event::wait");
      std::unique_lock lock(owner_.device_.mutex);
      owner_.plays_at_waits_.push_back(owner_.plays_);
      if (!mark_) return;
      owner_.device_.block(lock, [&] { return mark_->fired; });
      arrive();
    }
    double seconds_since(const runtime::Event& earlier) const override {
      owner_.step("Event::seconds_since");
      const std::lock_guard lock(owner_.device_.mutex);
      const auto& other = dynamic_cast<const FakeEvent&>(earlier);
      return mark_ && other.mark_ ? mark_->time - other.mark_->time : 0.0;
    }

   private:
    friend class FakeRuntime;
    void arrive() const {
      owner_.device_.checker.join(OrderChecker::kHost, mark_->clock);
      owner_.device_.pass(mark_->time);
      if (mark_->failure) std::rethrow_exception(mark_->failure);
    }
    std::shared_ptr<FakeMark> mark_;
  };

  class FakeStream final : private Counted, public runtime::Stream {
   public:
    explicit FakeStream(FakeRuntime& owner) : Counted(owner) {
      const std::lock_guard lock(device().mutex);
      queue_ = device().queues.emplace(device().queues.end());
      queue_->actor = device().checker.add_actor();
    }
    ~FakeStream() override {
      std::unique_lock lock(device().mutex);
      drain(lock);
      device().queues.erase(queue_);
    }
    void copy(std::span<const runtime::Copy> batch) override {
      for (const runtime::Copy& copy : batch) require_memory(copy);
      FakeWork work;
      work.fails = owner_.step_of_work("Stream::copy");
      if (!recording_) ++owner_.batches_;
      work.copies.assign(batch.begin(), batch.end());
      give(std::move(work));
    }
    void call(std::function<void()> function) override {
      FakeWork work;
      work.fails = owner_.step_of_work("Stream::call");
      work.function = std::move(function);
      give(std::move(work));
    }
    void record(runtime::Event& event) override {
      owner_.step("Stream::record");
      require_own(event, "Stream::record");
      require_not_recording("Stream::record");
      FakeWork work;
      work.records = std::make_shared<FakeMark>();
      with_checker([&](OrderChecker& checker) {
        checker.join(queue_->actor, checker.clock(OrderChecker::kHost));
        work.records->clock = checker.clock(queue_->actor);
        dynamic_cast<FakeEvent&>(event).mark_ = work.records;
      });
      device().push(*queue_, std::move(work));
    }
    void wait(const runtime::Event& event) override {
      owner_.step("Stream::wait");
      require_own(event, "Stream::wait");
      require_not_recording("Stream::wait");
      FakeWork work;
      with_checker([&](OrderChecker& checker) {
        work.awaits = dynamic_cast<const FakeEvent&>(event).mark_;
        if (work.awaits) checker.join(queue_->actor, work.awaits->clock);
      });
      if (work.awaits) device().push(*queue_, std::move(work));
    }
    void synchronize() override {
      require_not_recording("Stream::synchronize");
      owner_.step("Stream::synchronize");
      std::unique_lock lock(device().mutex);
      owner_.plays_at_waits_.push_back(owner_.plays_);
      drain(lock);
      if (queue_->failure) std::rethrow_exception(queue_->failure);
    }
    void begin_recording() override {
      owner_.step("Stream::begin_recording");
      recording_ = std::make_unique<FakeRecording>();
      owner_.spoiled_ = false;
      owner_.recorder_ = std::this_thread::get_id();
    }
    std::unique_ptr<runtime::Recording> end_recording() override {
      owner_.recorder_ = std::thread::id();
      auto recorded = std::move(recording_);
      owner_.step("Stream::end_recording");
      if (owner_.spoiled_) refuse_spoiled("Stream::end_recording");
      ++owner_.recordings_;
      return recorded;
    }
    void play(const runtime::Recording& recording) override {
      auto fails = owner_.step_of_work("Stream::play");
      require_not_recording("Stream::play");
      const auto& all = dynamic_cast<const FakeRecording&>(recording).work;
      for (const FakeWork& work : all) {
        for (const runtime::Copy& copy : work.copies) require_memory(copy);
      }
      for (FakeWork work : all) {
        if (!work.fails) work.fails = std::exchange(fails, std::nullopt);
        give(std::move(work));
      }
      ++owner_.plays_;
    }

   private:
    struct FakeRecording final : runtime::Recording {
      std::vector<FakeWork> work;
    };

    FakeDevice& device() { return owner_.device_; }
    void require_memory(const runtime::Copy& copy) {
      const std::lock_guard lock(device().mutex);
      if (device().holds(copy.from, copy.size) && device().holds(copy.to, copy.size)) return;
      refuse("Stream::copy", "cudaErrorInvalidValue",
             "of memory that is neither the device's nor page-locked");
    }
    void require_own(const runtime::Event& event, const char* call) const {
      if (&dynamic_cast<const FakeEvent&>(event).owner_ == &owner_) return;
      refuse(call, "cudaErrorInvalidResourceHandle", "an event of another device");
    }
    void require_not_recording(const char* call) {
      if (!recording_) return;
      owner_.spoiled_ = true;
      refuse(call, "cudaErrorStreamCaptureUnsupported", "the stream is recording");
    }
    /// Copies and functions: to the device, or where they are recorded.
    void give(FakeWork work) {
      if (recording_) {
        if (owner_.recorder_.load() != std::this_thread::get_id()) {
          require_not_recording("Work");  // CUDA would record it, which nobody means
        }
        if (owner_.spoiled_) refuse_spoiled("Work");
        recording_->work.push_back(std::move(work));
        return;
      }
      std::vector<OrderChecker::Access> accesses;
      for (const runtime::Copy& copy : work.copies) {
        accesses.push_back({copy.from, copy.size, false});
        accesses.push_back({copy.to, copy.size, true});
      }
      if (!accesses.empty()) {
        with_checker(
            [&](OrderChecker& checker) { checker.work(queue_->actor, accesses, "a copy"); });
      }
      device().push(*queue_, std::move(work));
    }
    template <class F>
    void with_checker(F&& f) {
      const std::lock_guard lock(device().mutex);
      f(device().checker);
    }
    void drain(std::unique_lock<std::mutex>& lock) {
      device().block(lock, [&] { return queue_->work.empty(); });
      device().checker.join(OrderChecker::kHost, device().checker.clock(queue_->actor));
      device().pass(queue_->time);
    }
    std::list<FakeQueue>::iterator queue_;
    std::unique_ptr<FakeRecording> recording_;
  };

  std::atomic<std::size_t> calls_ = 0, due_ = std::numeric_limits<std::size_t>::max();
  std::atomic<std::size_t> pinned_ = 0, peak_pinned_ = 0;
  std::atomic<std::size_t> made_ = 0, allocations_ = 0, batches_ = 0, recordings_ = 0, plays_ = 0;
  std::vector<std::size_t> plays_at_waits_;  // guarded by the device's mutex
  std::atomic<std::thread::id> recorder_;    ///< the thread that may only give work
  std::atomic<bool> spoiled_ = false;        ///< what it records, by anything else
  std::atomic<int> live_ = 0;
  const std::size_t memory_;
  std::atomic<std::size_t> used_ = 0;
  std::string status_;
  Fault fault_ = Fault::kNow;
  FakeDevice device_;  // last: its thread ends first
};

}  // namespace lamina::testing

#include "checkpoint/background/save_queue.h"

#include <lamina/error.h>

#include <algorithm>
#include <atomic>
#include <unordered_set>
#include <utility>

#include "checkpoint/background/start_thread.h"
#include "checkpoint/names/paths.h"
#include "core/per_process.h"
#include "storage/storage.h"

namespace lamina::checkpoint {
namespace {

constexpr std::size_t kProcessThreads = 2;
std::atomic<std::chrono::milliseconds> patience_at_exit{std::chrono::seconds(30)};

/// Lets go of the work, and of the values that it holds, before anybody hears that it is over.
void run(SaveState& state, SaveQueue::Work work, const SaveQueue::States& after) noexcept {
  if (!state.begin()) return;
  std::exception_ptr failure;
  try {
    for (const auto& earlier : after) earlier->require_saved();
    work(state);
  } catch (...) {
    failure = std::current_exception();
  }
  work = nullptr;
  state.finish(std::move(failure));
}

// Objects that outlive `EndOfProcess` may still save, and do so without threads.
using ProcessQueue = core::PerProcess<SaveQueue, kProcessThreads>;

struct EndOfProcess {
  /// Makes first what has to be there as long as saves run.
  EndOfProcess() { (void)storage::posix(); }
  ~EndOfProcess() { ProcessQueue::get().end(patience_at_exit); }
};

}  // namespace

void SaveQueue::submit(const std::string& key, const std::shared_ptr<SaveState>& state, Work work,
                       States after) {
  {
    const std::lock_guard lock(mutex_);
    state->limit_waiting(wait_until_);
    if (!stopping_) {
      jobs_.push_back({key, state, std::move(work), after});
      start_thread_if_needed();
      if (!threads_.empty()) {
        changed_.notify_all();
        return;
      }
      work = std::move(jobs_.back().work);
      jobs_.pop_back();
    }
  }
  wait_for_jobs([&](const Job& job) {
    return job.key == key || std::find(after.begin(), after.end(), job.state) != after.end();
  });
  run(*state, std::move(work), after);
  const std::lock_guard lock(mutex_);
  keep_failure_of(state);
}

void SaveQueue::start_thread_if_needed() {
  const auto waiting =
      std::count_if(jobs_.begin(), jobs_.end(), [](auto& j) { return !j.running; });
  if (static_cast<std::size_t>(waiting) <= idle_ || threads_.size() == max_threads_) return;
  std::thread thread;
  if (!start_thread(thread, [this] { serve(); })) threads_.push_back(std::move(thread));
}

void SaveQueue::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto job = next();
    if (job == jobs_.end()) {
      // What waits for a job that runs is taken up by the thread that runs it, if that comes back:
      // it may be the one that ends the process.
      if (stopping_) return;
      ++idle_;
      changed_.wait(lock);
      --idle_;
      continue;
    }
    job->running = true;
    std::shared_ptr<SaveState> state = job->state;
    Work work = std::move(job->work);
    States after = std::move(job->after);
    lock.unlock();
    run(*state, std::move(work), after);
    lock.lock();
    keep_failure_of(state);
    jobs_.erase(job);
    changed_.notify_all();
    lock.unlock();
    state = nullptr;  // their destructors may warn
    after.clear();
    lock.lock();
  }
}

void SaveQueue::keep_failure_of(const std::shared_ptr<SaveState>& state) noexcept {
  if (!state->has_failure()) return;
  std::erase_if(failed_, [](const auto& other) { return other.expired(); });
  try {
    failed_.push_back(state);
  } catch (const std::bad_alloc&) {
    state->tell_failure();  // who would tell of it at the end does not know it
  }
}

SaveQueue::Jobs::iterator SaveQueue::next() noexcept {
  for (auto job = jobs_.begin(); job != jobs_.end(); ++job) {
    const bool follows = std::any_of(jobs_.begin(), job, [&](const Job& earlier) {
      return earlier.key == job->key ||
             std::find(job->after.begin(), job->after.end(), earlier.state) != job->after.end();
    });
    if (!job->running && !follows) return job;
  }
  return jobs_.end();
}

template <class F>
void SaveQueue::wait_for_jobs(const F& wanted) {
  States states;
  {
    const std::lock_guard lock(mutex_);
    for (const Job& job : jobs_) {
      if (wanted(job)) states.push_back(job.state);
    }
  }
  for (const auto& state : states) state->wait();
}

void SaveQueue::wait_for(const std::string& key) {
  wait_for_jobs([&](const Job& job) { return job.key == key; });
}

void SaveQueue::wait_for(const States& states) {
  wait_for_jobs([&](const Job& job) {
    return std::find(states.begin(), states.end(), job.state) != states.end();
  });
}

bool SaveQueue::wait_for_all() {
  std::unordered_set<const SaveState*> states;
  std::unique_lock lock(mutex_);
  for (const Job& job : jobs_) states.insert(job.state.get());
  // One that was cancelled while it waited is over, and holds its values until it leaves.
  changed_.wait(lock, [&] {
    return std::none_of(jobs_.begin(), jobs_.end(),
                        [&](const Job& job) { return states.contains(job.state.get()); });
  });
  return !states.empty();
}

void SaveQueue::stop() noexcept {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
    changed_.notify_all();
  }
  for (std::thread& thread : threads) {
    if (thread.get_id() == std::this_thread::get_id()) {  // the end of the process, from within
      thread.detach();
    } else {
      thread.join();
    }
  }
}

void SaveQueue::end(std::chrono::milliseconds patience) noexcept {
  {
    const std::lock_guard lock(mutex_);
    wait_until_ = std::min(wait_until_, SaveState::Clock::now() + patience);
    for (const Job& job : jobs_) job.state->limit_waiting(wait_until_);
  }
  stop();
  give_up_rest();
  std::vector<std::weak_ptr<SaveState>> failed;
  {
    const std::lock_guard lock(mutex_);
    failed.swap(failed_);
  }
  for (const auto& each : failed) {
    if (const auto state = each.lock()) state->tell_failure();
  }
}

void SaveQueue::give_up_rest() {
  const std::lock_guard lock(mutex_);
  for (const Job& job : jobs_) {
    if (job.running || !job.state->begin()) continue;
    job.state->finish(std::make_exception_ptr(
        Error("The process is ended by a save that this one was to follow.")));
    keep_failure_of(job.state);
  }
}

std::size_t SaveQueue::threads() const {
  const std::lock_guard lock(mutex_);
  return threads_.size();
}

SaveQueue& save_queue() {
  static const EndOfProcess at_exit;
  return ProcessQueue::get();
}

void set_patience_at_exit(std::chrono::milliseconds patience) noexcept {
  patience_at_exit = patience;
}

void finish_saves_before_devices_go() {
  static const EndOfProcess before_devices;
}

std::string save_key(std::filesystem::path checkpoint, bool sharded) {
  // As the save goes to a file.
  if (sharded) {
    checkpoint.replace_extension(".json");
  } else {
    checkpoint = resolved(checkpoint);
  }
  std::error_code code;
  std::filesystem::path key =
      std::filesystem::weakly_canonical(std::filesystem::absolute(checkpoint, code), code);
  if (code) key = std::filesystem::absolute(checkpoint, code).lexically_normal();
  // "run/" is "run", of which that is not seen before it is there.
  if (!key.has_filename()) key = key.parent_path();
  return key.string();
}

}  // namespace lamina::checkpoint

#pragma once
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "checkpoint/background/save_state.h"

namespace lamina::checkpoint {

/// Runs saves in the background: those with one key one after the other in the order in which they
/// came, each behind those that it is to follow, others at the same time, as far as there are
/// threads. Safe from any thread.
class SaveQueue {
 public:
  using Work = std::function<void(SaveState&)>;
  using States = std::vector<std::shared_ptr<SaveState>>;

  explicit SaveQueue(std::size_t max_threads) : max_threads_(max_threads) {
    threads_.reserve(max_threads);
  }
  /// Runs what is still queued.
  ~SaveQueue() { stop(); }
  SaveQueue(const SaveQueue&) = delete;
  SaveQueue& operator=(const SaveQueue&) = delete;

  /// Has `work` run, and `state` finished with what it throws. Threads start with the first saves
  /// and are kept; where none can be had, or after `stop`, the work is done before this returns.
  /// It begins once those of `after` that are in this queue are over, and fails as one of them did.
  void submit(const std::string& key, const std::shared_ptr<SaveState>& state, Work work,
              States after = {});
  /// Returns when the saves that have this key so far are over.
  void wait_for(const std::string& key);
  /// The same of those of `states` that are in this queue: those of a parent process are not.
  void wait_for(const States& states);
  /// Returns when all saves that there are by now are over, and have let go of the values that they
  /// held; false at once where there is none.
  bool wait_for_all();
  /// Returns when all saves are over and the threads are gone; where a save itself calls this, all
  /// but that one and those that were to follow it.
  void stop() noexcept;
  /// The same at the end of the process. Another process may keep a lock for as long as it likes:
  /// who waits for one does so for `patience` more, then tries each once and gives up, so that what
  /// was there before stays. Failures that nobody has heard of, these among them, are warned of, as
  /// what holds them may never be destroyed.
  void end(std::chrono::milliseconds patience) noexcept;
  [[nodiscard]] std::size_t threads() const;

 private:
  struct Job {
    std::string key;
    std::shared_ptr<SaveState> state;
    Work work;
    States after;
    bool running = false;
  };
  using Jobs = std::list<Job>;

  void start_thread_if_needed();
  void serve();
  void keep_failure_of(const std::shared_ptr<SaveState>& state) noexcept;
  /// What is left when the threads are gone: where a save ends the process, those behind it.
  void give_up_rest();
  /// The first job that follows no earlier one.
  [[nodiscard]] Jobs::iterator next() noexcept;
  template <class F>
  void wait_for_jobs(const F& wanted);

  const std::size_t max_threads_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Jobs jobs_;  // in the order of submission, those that run included
  std::vector<std::thread> threads_;
  std::vector<std::weak_ptr<SaveState>> failed_;  // of those that may not have been heard of
  std::size_t idle_ = 0;
  bool stopping_ = false;
  SaveState::Clock::time_point wait_until_ = SaveState::Clock::time_point::max();
};

/// The process's queue. It is emptied when the process exits, so that no save is lost but those
/// that wait for others' locks in vain (see SaveQueue::end). A child that was forked has another:
/// the saves of its parent are not its own.
[[nodiscard]] SaveQueue& save_queue();

/// How long the end of the process waits for others' locks: half a minute, unless a test says less.
void set_patience_at_exit(std::chrono::milliseconds patience) noexcept;

/// Has the end of the process wait for saves before devices go. What a device's library does then
/// was registered when the device was first used, and is done in the opposite order: to be called
/// whenever values of a device are to be saved.
void finish_saves_before_devices_go();

/// One key for each checkpoint, however its path is written.
[[nodiscard]] std::string save_key(std::filesystem::path checkpoint, bool sharded);

}  // namespace lamina::checkpoint

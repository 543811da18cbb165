#pragma once
#include <deque>
#include <thread>
#include <vector>

#include "runtime/host/host_event.h"

namespace lamina::runtime {

class HostStream final : public Stream {
 public:
  HostStream();
  ~HostStream() override;
  void copy(std::span<const Copy> batch) override;
  void call(std::function<void()> function) override;
  void record(Event& event) override;
  void wait(const Event& event) override;
  void synchronize() override;
  void begin_recording() override;
  [[nodiscard]] std::unique_ptr<Recording> end_recording() override;
  void play(const Recording& recording) override;

 private:
  /// Does its part, or only passes the failure of earlier work on.
  using Task = std::function<void(std::exception_ptr& failure)>;
  struct HostRecording final : Recording {
    std::vector<Task> tasks;
  };
  void push(Task task);
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  bool closing_ = false;
  std::unique_ptr<HostRecording> recording_;  ///< where tasks go meanwhile
  std::thread worker_;
};

}  // namespace lamina::runtime

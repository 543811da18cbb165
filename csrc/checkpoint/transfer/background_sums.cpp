#include "checkpoint/transfer/background_sums.h"

#include "checkpoint/background/start_thread.h"

namespace lamina::checkpoint {

BackgroundSums::~BackgroundSums() {
  {
    const std::lock_guard lock(mutex_);
    parts_.clear();
    over_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void BackgroundSums::add(TensorChecksum& tensor, std::uint64_t offset,
                         std::span<const std::byte> part, const void* group) {
  const std::lock_guard lock(mutex_);
  std::size_t& left = left_[group];  // before the part, of which somebody may hear at once
  parts_.push_back({&tensor, offset, part, group});
  ++left;
  changed_.notify_all();
  if (thread_.joinable()) return;
  (void)start_thread(thread_, [this] { serve(); });  // without one `finish` sums them all
}

void BackgroundSums::finish() {
  std::unique_lock lock(mutex_);
  while (!parts_.empty()) sum_one(lock);
  over_ = true;
  changed_.notify_all();
  lock.unlock();
  if (thread_.joinable()) thread_.join();
}

void BackgroundSums::finish(const void* group) {
  std::unique_lock lock(mutex_);
  const auto found = left_.find(group);
  if (found == left_.end()) return;
  const std::size_t& left = found->second;  // stays in its place while others add their groups
  while (left > 0) {
    if (parts_.empty()) {
      changed_.wait(lock);  // for who sums the last one
    } else {
      sum_one(lock);
    }
  }
}

void BackgroundSums::sum_one(std::unique_lock<std::mutex>& lock) {
  const Part part = parts_.front();
  parts_.pop_front();
  lock.unlock();
  part.tensor->add(part.offset, part.bytes);
  lock.lock();
  if (--left_.at(part.group) == 0) changed_.notify_all();
}

void BackgroundSums::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return over_ || !parts_.empty(); });
    if (parts_.empty()) return;
    sum_one(lock);
  }
}

}  // namespace lamina::checkpoint

#include "models/weights/pending_saves.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace lamina::models {

using checkpoint::SaveState;

void PendingSaves::add(std::shared_ptr<SaveState> state) {
  const std::lock_guard lock(mutex_);
  leave_parents();
  states_.push_back(std::move(state));
}

void PendingSaves::throw_failure() {
  std::vector<std::shared_ptr<SaveState>> over;
  {
    const std::lock_guard lock(mutex_);
    leave_parents();
    const auto first = std::stable_partition(states_.begin(), states_.end(),
                                             [](const auto& state) { return !state->done(); });
    over.assign(std::make_move_iterator(first), std::make_move_iterator(states_.end()));
    states_.erase(first, states_.end());
  }
  // What is not thrown here is warned of when its state is destroyed with the last handle.
  for (const auto& state : over) {
    if (const std::exception_ptr failure = state->take_failure()) std::rethrow_exception(failure);
  }
}

void PendingSaves::wait_until_copied() {
  for (const auto& state : under_way()) state->wait_until_copied();
}

std::vector<std::shared_ptr<SaveState>> PendingSaves::under_way() {
  const std::lock_guard lock(mutex_);
  leave_parents();
  return states_;
}

void PendingSaves::leave_parents() {
  const pid_t own = ::getpid();
  if (std::exchange(process_, own) == own) return;
  std::move(states_.begin(), states_.end(), std::back_inserter(parents_));
  states_.clear();
}

}  // namespace lamina::models

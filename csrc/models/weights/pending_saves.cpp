#include "models/weights/pending_saves.h"

#include <algorithm>
#include <iterator>

namespace lamina::models {

using checkpoint::SaveState;

void PendingSaves::add(std::shared_ptr<SaveState> state) {
  Pending& pending = pending_.get();
  const std::lock_guard lock(pending.mutex);
  pending.states.push_back(std::move(state));
}

void PendingSaves::throw_failure() {
  Pending& pending = pending_.get();
  std::vector<std::shared_ptr<SaveState>> over;
  {
    const std::lock_guard lock(pending.mutex);
    auto& states = pending.states;
    const auto first = std::stable_partition(states.begin(), states.end(),
                                             [](const auto& state) { return !state->done(); });
    over.assign(std::make_move_iterator(first), std::make_move_iterator(states.end()));
    states.erase(first, states.end());
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
  Pending& pending = pending_.get();
  const std::lock_guard lock(pending.mutex);
  return pending.states;
}

}  // namespace lamina::models

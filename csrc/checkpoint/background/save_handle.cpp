#include <fmt/format.h>
#include <lamina/save_handle.h>

#include "checkpoint/background/save_state.h"

namespace lamina {

void SaveHandle::wait() {
  if (!state_) return;
  if (state_->is_lost()) {
    throw Error(
        fmt::format("Saving '{}' goes on in the process that this one was forked from, which alone "
                    "can wait for it.",
                    state_->path().string()));
  }
  state_->wait();
  state_->throw_failure();
}

bool SaveHandle::done() const {
  return !state_ || state_->is_lost() || state_->done();
}

void SaveHandle::wait_until_copied() const {
  if (state_ && !state_->is_lost()) state_->wait_until_copied();
}

SaveProgress SaveHandle::progress() const {
  return state_ ? state_->progress() : SaveProgress{};
}

void SaveHandle::cancel() {
  if (state_ && !state_->is_lost()) state_->cancel();
}

}  // namespace lamina

#pragma once
#include <memory>
#include <mutex>
#include <vector>

#include "checkpoint/save_state.h"

namespace lamina::models {

/// The asynchronous saves of one model, for its next save to hear of their failures. Safe from
/// several threads.
class PendingSaves {
 public:
  void add(std::shared_ptr<checkpoint::SaveState> state);
  /// Throws the first failure that nobody has heard of, warns of the others, and forgets the saves
  /// Throws the first failure that nobody has heard of, and forgets the saves that are over.
  void throw_failure();
  void wait_until_copied();

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<checkpoint::SaveState>> states_;
};

}  // namespace lamina::models

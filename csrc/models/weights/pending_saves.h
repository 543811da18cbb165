#pragma once
#include <memory>
#include <mutex>
#include <vector>

#include "checkpoint/background/save_state.h"
#include "core/per_process_member.h"
#include "models/weights/kept_names.h"

namespace lamina::models {

/// What a model remembers from save to save: those in the background, for the next save to hear of
/// their failures, and its names. Safe from several threads. A child that was forked forgets those
/// of its parent, whose failures are not its own either: their threads are not there to be waited
/// for, and the values are its own.
class PendingSaves {
 public:
  void add(std::shared_ptr<checkpoint::SaveState> state);
  /// Throws the first failure that nobody has heard of, and forgets the saves that are over.
  void throw_failure();
  void wait_until_copied();
  /// Those that are not known to be over.
  [[nodiscard]] std::vector<std::shared_ptr<checkpoint::SaveState>> under_way();

  KeptNames names;

 private:
  struct Pending {
    std::mutex mutex;
    std::vector<std::shared_ptr<checkpoint::SaveState>> states;
  };
  core::PerProcessMember<Pending> pending_;
};

}  // namespace lamina::models

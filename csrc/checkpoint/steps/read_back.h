#pragma once
#include <memory>
#include <mutex>

#include "checkpoint/steps/step_directories.h"
#include "core/per_process_member.h"

namespace lamina::checkpoint {

/// The layout of which a checkpoint was last read again after it was written: what laid this one
/// out right does so again, and a loop that saves at every step need not wait for the disk to tell.
struct StepDirectories::ReadBack {
  /// False for no layout.
  [[nodiscard]] bool has(const std::shared_ptr<const void>& layout) {
    Last& last = last_.get();
    const std::lock_guard lock(last.mutex);
    return layout && layout == last.layout.lock();
  }
  void note(const std::shared_ptr<const void>& layout) {
    Last& last = last_.get();
    const std::lock_guard lock(last.mutex);
    last.layout = layout;
  }

 private:
  struct Last {
    std::mutex mutex;
    std::weak_ptr<const void> layout;
  };
  core::PerProcessMember<Last> last_;
};

}  // namespace lamina::checkpoint

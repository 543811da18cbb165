#include "graph/recorded_run.h"

#include <lamina/error.h>
#include <lamina/log.h>

#include <utility>

namespace lamina::graph {

void RecordedRun::run(ops::Backend& backend, Key key, const std::function<void()>& steps) {
  if (key != key_) {
    replay_.reset();
    key_ = {};  // nothing can be recorded of a run that fails
    steps();
    key_ = std::move(key);
    return;
  }
  if (!replay_ && !in_vain_) record(backend, steps);
  if (replay_) {
    replay_->run();
  } else {
    steps();
  }
}

void RecordedRun::record(ops::Backend& backend, const std::function<void()>& steps) {
  in_vain_ = true;
  try {
    replay_ = backend.record(steps);
  } catch (const DeviceError& error) {
    warn("What " + backend.device().str() +
         " computes is not recorded, so it starts slowly: " + error.what());
  }
  in_vain_ = replay_ == nullptr;
}

}  // namespace lamina::graph

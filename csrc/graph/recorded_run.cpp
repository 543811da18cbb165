#include "graph/recorded_run.h"

#include <lamina/error.h>
#include <lamina/log.h>

#include <utility>

namespace lamina::graph {

void RecordedRun::run(ops::Backend& backend, Places places, const std::function<void()>& steps) {
  if (places != last_) {
    replay_.reset();
    last_.reset();  // nothing can be recorded of a run that fails
    steps();
    last_ = std::move(places);
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

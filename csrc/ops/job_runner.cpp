#include "ops/job_runner.h"

#include "ops/cuda/engines.h"
#include "ops/cuda/host_engine.h"
#include "runtime/devices.h"

namespace lamina::ops {

JobRunner::JobRunner(Device device) : device_(device) {
  if (device == Device::cpu()) return;
  context_ = runtime::devices().get(device);
  engine_ = cuda::engine_of(context_);
}

void JobRunner::run(const kernels::Job& job) const {
  if (!context_) return cuda::run_on_host(job);
  context_->compute([&](runtime::Stream& stream) { engine_->launch(stream, job); });
}

}  // namespace lamina::ops

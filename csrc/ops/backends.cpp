#include <lamina/error.h>

#include "core/denormals.h"
#include "ops/backend.h"
#include "ops/cpu/cpu_backend.h"
#include "ops/cuda/cuda_backend.h"
#include "ops/cuda/engines.h"
#include "ops/jobs/job_runner.h"
#include "ops/jobs/run_on_host.h"
#include "runtime/devices.h"

namespace lamina::ops {

namespace {

[[noreturn]] void throw_unknown(Device device) {
  throw ValueError("This build of Lamina has no backend for the device " + device.str() + ".");
}

std::shared_ptr<Backend> make_cuda_backend(Device device) {
  std::shared_ptr<runtime::DeviceContext> context = runtime::devices().get(device);
  std::shared_ptr<cuda::Engine> engine = cuda::engine_of(context);
  return std::make_shared<CudaBackend>(std::move(context), std::move(engine));
}

JobRunner::Run runner_on(Device device) {
  switch (device.kind) {
    case Device::Kind::kCpu:
      return [](const kernels::Job& job) {
        const core::FlushDenormals flush;
        jobs::run_on_host(job);
      };
    case Device::Kind::kCuda: {
      std::shared_ptr<runtime::DeviceContext> context = runtime::devices().get(device);
      std::shared_ptr<cuda::Engine> engine = cuda::engine_of(context);
      return [context, engine](const kernels::Job& job) {
        context->compute([&](runtime::Stream& stream) { engine->launch(stream, job); });
      };
    }
  }
  throw_unknown(device);
}

}  // namespace

JobRunner::JobRunner(Device device) : device_(device), run_(runner_on(device)) {}

std::shared_ptr<Backend> make_backend(Device device) {
  switch (device.kind) {
    case Device::Kind::kCpu:
      return std::make_shared<CpuBackend>();
    case Device::Kind::kCuda:
      return make_cuda_backend(device);
  }
  throw_unknown(device);
}

}  // namespace lamina::ops

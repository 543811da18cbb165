#include <lamina/error.h>

#include "ops/backend.h"
#include "ops/cpu/cpu_backend.h"
#include "ops/cuda/cuda_backend.h"
#include "ops/cuda/engines.h"
#include "runtime/devices.h"

namespace lamina::ops {

namespace {

std::shared_ptr<Backend> make_cuda_backend(Device device) {
  std::shared_ptr<runtime::DeviceContext> context = runtime::devices().get(device);
  std::shared_ptr<cuda::Engine> engine = cuda::engine_of(context);
  return std::make_shared<CudaBackend>(std::move(context), std::move(engine));
}

}  // namespace

std::shared_ptr<Backend> make_backend(Device device) {
  switch (device.kind) {
    case Device::Kind::kCpu:
      return std::make_shared<CpuBackend>();
    case Device::Kind::kCuda:
      return make_cuda_backend(device);
  }
  throw ValueError("This build of Lamina has no backend for the device " + device.str() + ".");
}

}  // namespace lamina::ops

#include <lamina/devices.h>
#include <lamina/error.h>

#include <atomic>

#include "ops/backend.h"
#include "ops/cpu/cpu_backend.h"
#include "ops/cuda/cuda_backend.h"
#include "ops/cuda/host_engine.h"
#include "runtime/devices.h"
#ifdef LAMINA_HAVE_CUDA
#include "ops/cuda/libraries/cuda_engine.h"
#endif

namespace lamina::ops {

namespace {

std::atomic<Float32Precision> precision{Float32Precision::kStrict};

/// What computes on a device depends on whose runtime it has.
std::shared_ptr<cuda::Engine> engine_for([[maybe_unused]] runtime::DeviceContext& context) {
#ifdef LAMINA_HAVE_CUDA
  if (context.runtime().is_cuda()) {
    return cuda::make_cuda_engine(context.device(), precision);
  }
#endif
  return std::make_shared<cuda::HostEngine>();
}

std::shared_ptr<Backend> make_cuda_backend(Device device) {
  std::shared_ptr<runtime::DeviceContext> context = runtime::devices().get(device);
  std::shared_ptr<cuda::Engine> engine = engine_for(*context);
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

void lamina::set_float32_precision(Float32Precision precision) {
  ops::precision = precision;
}

lamina::Float32Precision lamina::float32_precision() {
  return ops::precision;
}

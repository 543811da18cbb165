#include "runtime/runtimes.h"

#include <lamina/error.h>

#include "runtime/host/host_runtime.h"
#ifdef LAMINA_HAVE_CUDA
#include "runtime/cuda/cuda_runtime.h"
#endif

namespace lamina::runtime {

int cuda_device_count() noexcept {
#ifdef LAMINA_HAVE_CUDA
  return CudaRuntime::device_count();
#else
  return 0;
#endif
}

std::unique_ptr<Runtime> make_runtime(Device device) {
  switch (device.kind) {
    case Device::Kind::kCpu:
      return std::make_unique<HostRuntime>();
    case Device::Kind::kCuda:
#ifdef LAMINA_HAVE_CUDA
      return std::make_unique<CudaRuntime>(device.index);
#else
      break;
#endif
  }
  throw ValueError("This build of Lamina has no runtime for the device " + device.str() + ".");
}

}  // namespace lamina::runtime

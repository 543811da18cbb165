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

CudaDevices find_cuda_devices() {
#ifdef LAMINA_HAVE_CUDA
  return CudaRuntime::list_devices();
#else
  return {{}, "this build of Lamina is without CUDA"};
#endif
}

std::string no_device_reason(const std::string& status, const std::string& text, int driver_version,
                             int runtime_version) {
  const auto name = [](int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  };
  if (driver_version == 0) return "no CUDA driver is installed";
  if (status == "cudaErrorNoDevice") return "the CUDA driver finds no device";
  if (status == "cudaErrorInsufficientDriver") {
    return "the installed driver is for CUDA " + name(driver_version) +
           " and this build needs one for " + name(runtime_version);
  }
  if (status == "cudaErrorInitializationError") {
    return text + " (" + status + "): so it is where a process that used CUDA was forked";
  }
  return text + " (" + status + ")";
}

std::unique_ptr<Runtime> make_runtime(Device device) {
  switch (device.kind) {
    case Device::Kind::kCpu:
      return std::make_unique<HostRuntime>();
    case Device::Kind::kCuda:
#ifdef LAMINA_HAVE_CUDA
      CudaRuntime::require_any();
      return std::make_unique<CudaRuntime>(device.index);
#else
      break;
#endif
  }
  throw ValueError("This build of Lamina has no runtime for the device " + device.str() + ".");
}

}  // namespace lamina::runtime

lamina::CudaDevices lamina::cuda_devices() {
  return runtime::find_cuda_devices();
}

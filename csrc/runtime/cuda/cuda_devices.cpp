#include <cuda_runtime_api.h>
#include <lamina/error.h>

#include "runtime/cuda/cuda_call.h"
#include "runtime/cuda/cuda_runtime.h"
#include "runtime/runtimes.h"

namespace lamina::runtime {
namespace {

/// How counting the devices went; nothing is thrown for their absence.
struct Count {
  int devices = 0;  // before the call that counts them: members begin in this order
  cudaError_t status;

  Count() : status(cudaGetDeviceCount(&devices)) {
    if (status == cudaSuccess) return;
    (void)cudaGetLastError();  // else the next unrelated check would report it
    devices = 0;
  }
  [[nodiscard]] std::string problem() const {
    if (devices > 0) return {};
    int driver = 0, runtime = 0;
    check_cuda(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
    check_cuda(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
    const cudaError_t why = status == cudaSuccess ? cudaErrorNoDevice : status;
    return no_device_reason(cudaGetErrorName(why), cudaGetErrorString(why), driver, runtime);
  }
};

CudaDevice describe(int index) {
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  return {Device::cuda(index), properties.name, properties.totalGlobalMem, properties.major,
          properties.minor};
}

}  // namespace

int CudaRuntime::device_count() noexcept {
  return Count().devices;
}

CudaDevices CudaRuntime::list_devices() {
  const Count count;
  CudaDevices out{{}, count.problem()};
  for (int i = 0; i < count.devices; ++i) out.usable.push_back(describe(i));
  return out;
}

void CudaRuntime::require_any() {
  const Count count;
  if (count.devices > 0) return;
  const cudaError_t why = count.status == cudaSuccess ? cudaErrorNoDevice : count.status;
  throw DeviceError("cudaGetDeviceCount", cudaGetErrorName(why), count.problem(),
                    SourceLocation::current(), why == cudaErrorMemoryAllocation);
}

}  // namespace lamina::runtime

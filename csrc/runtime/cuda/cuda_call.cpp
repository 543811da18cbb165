#include "runtime/cuda/cuda_call.h"

#include <cuda_runtime_api.h>

namespace lamina::runtime {

void check_cuda(int result, const char* call, SourceLocation where) {
  const auto status = static_cast<cudaError_t>(result);
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();  // else the next unrelated check would report it again
  throw DeviceError(call, cudaGetErrorName(status), cudaGetErrorString(status), where,
                    status == cudaErrorMemoryAllocation);
}

bool cuda_has_gone() noexcept {
  int value = 0;  // the driver is asked, which the current device, say, would not need
  const cudaError_t status = cudaDeviceGetAttribute(&value, cudaDevAttrComputeCapabilityMajor, 0);
  if (status != cudaSuccess) (void)cudaGetLastError();
  return status == cudaErrorCudartUnloading;
}

}  // namespace lamina::runtime

#include "runtime/cuda/cuda_call.h"

#include <cuda_runtime_api.h>

namespace lamina::runtime {

void check_cuda(int result, const char* call, SourceLocation where) {
  const auto status = static_cast<cudaError_t>(result);
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();  // else the next unrelated check would report it again
  throw DeviceError(call, cudaGetErrorName(status), cudaGetErrorString(status), where);
}

}  // namespace lamina::runtime

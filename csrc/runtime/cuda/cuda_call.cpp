#include "runtime/cuda/cuda_call.h"

#include <cuda_runtime_api.h>

#include <string>

namespace lamina::runtime {
namespace {

/// Those of which CUDA says that the process must be started anew to use it again.
bool is_for_good(cudaError_t status) {
  switch (status) {
    case cudaErrorContained:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorTensorMemoryLeak:
    case cudaErrorMpsClientTerminated:
    case cudaErrorExternalDevice:
      return true;
    default:
      return false;
  }
}

std::string reason(cudaError_t status) {
  std::string text = cudaGetErrorString(status);
  if (is_for_good(status)) {
    text += ": what was on this process's devices is lost, and it can use none any more";
  }
  return text;
}

}  // namespace

void check_cuda(int result, const char* call, SourceLocation where) {
  const auto status = static_cast<cudaError_t>(result);
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();  // else the next unrelated check would report it again
  throw DeviceError(call, cudaGetErrorName(status), reason(status), where,
                    status == cudaErrorMemoryAllocation);
}

void make_current(int device) {
  check_cuda(cudaSetDevice(device), "cudaSetDevice");
}

void try_make_current(int device) noexcept {
  if (cudaSetDevice(device) != cudaSuccess) (void)cudaGetLastError();
}

bool cuda_has_gone() noexcept {
  int value = 0;  // the driver is asked, which the current device, say, would not need
  const cudaError_t status = cudaDeviceGetAttribute(&value, cudaDevAttrComputeCapabilityMajor, 0);
  if (status != cudaSuccess) (void)cudaGetLastError();
  return status == cudaErrorCudartUnloading || status == cudaErrorInitializationError;
}

}  // namespace lamina::runtime

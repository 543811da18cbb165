#include "runtime/cuda/cuda_runtime.h"

#include <cuda_runtime_api.h>

#include "runtime/cuda/cuda_call.h"
#include "runtime/cuda/cuda_memory.h"
#include "runtime/cuda/cuda_stream.h"

namespace lamina::runtime {

CudaRuntime::CudaRuntime(int device) : device_(device) {
  make_current();
  check_cuda(cudaStreamCreateWithFlags(&memory_stream_, cudaStreamNonBlocking),
             "cudaStreamCreateWithFlags");
}

CudaRuntime::~CudaRuntime() {
  (void)cudaStreamSynchronize(memory_stream_);
  (void)cudaStreamDestroy(memory_stream_);
}

void CudaRuntime::make_current() const {
  check_cuda(cudaSetDevice(device_), "cudaSetDevice");
}

std::unique_ptr<DeviceMemory> CudaRuntime::allocate(std::size_t bytes) {
  make_current();
  return CudaDeviceMemory::allocate(bytes, memory_stream_);
}

std::unique_ptr<PinnedMemory> CudaRuntime::allocate_pinned(std::size_t bytes) {
  make_current();
  return std::make_unique<CudaPinnedMemory>(bytes);
}

std::unique_ptr<Stream> CudaRuntime::make_stream() {
  make_current();
  return std::make_unique<CudaStream>(device_);
}

std::unique_ptr<Event> CudaRuntime::make_event() {
  make_current();
  return std::make_unique<CudaEvent>();
}

}  // namespace lamina::runtime

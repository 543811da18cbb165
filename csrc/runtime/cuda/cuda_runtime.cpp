#include "runtime/cuda/cuda_runtime.h"

#include <cuda_runtime_api.h>

#include <cstdint>
#include <limits>

#include "runtime/cuda/cuda_call.h"
#include "runtime/cuda/cuda_memory.h"
#include "runtime/cuda/cuda_stream.h"

namespace lamina::runtime {
namespace {

/// By default what is freed goes back to the system whenever a stream or an event is waited for,
/// and allocations map memory anew. Whoever has set it otherwise is left with that.
void keep_freed_memory(int device) {
  cudaMemPool_t pool = nullptr;
  check_cuda(cudaDeviceGetMemPool(&pool, device), "cudaDeviceGetMemPool");
  std::uint64_t kept = 0;
  check_cuda(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &kept),
             "cudaMemPoolGetAttribute");
  if (kept != 0) return;
  kept = std::numeric_limits<std::uint64_t>::max();
  check_cuda(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &kept),
             "cudaMemPoolSetAttribute");
}

}  // namespace

CudaRuntime::CudaRuntime(int device) : device_(device) {
  make_current(device_);
  keep_freed_memory(device_);
  check_cuda(cudaStreamCreateWithFlags(&memory_stream_, cudaStreamNonBlocking),
             "cudaStreamCreateWithFlags");
}

CudaRuntime::~CudaRuntime() {
  try_make_current(device_);
  (void)cudaStreamSynchronize(memory_stream_);
  (void)cudaStreamDestroy(memory_stream_);
}

std::unique_ptr<DeviceMemory> CudaRuntime::allocate(std::size_t bytes) {
  make_current(device_);
  return CudaDeviceMemory::allocate(bytes, device_, memory_stream_);
}

std::unique_ptr<PinnedMemory> CudaRuntime::allocate_pinned(std::size_t bytes) {
  make_current(device_);
  return std::make_unique<CudaPinnedMemory>(bytes, device_);
}

std::unique_ptr<Stream> CudaRuntime::make_stream() {
  make_current(device_);
  return std::make_unique<CudaStream>(device_);
}

std::unique_ptr<Event> CudaRuntime::make_event() {
  make_current(device_);
  return std::make_unique<CudaEvent>(device_);
}

}  // namespace lamina::runtime

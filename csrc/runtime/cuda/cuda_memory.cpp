#include "runtime/cuda/cuda_memory.h"

#include <cuda_runtime_api.h>
#include <lamina/error.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "runtime/cuda/cuda_call.h"

namespace lamina::runtime {
namespace {

AlignedBytes host_pages(std::size_t bytes) {
  try {
    AlignedBytes memory = page_aligned(bytes);
    // Pages that are there already are registered faster than pages that registering faults in.
    std::memset(memory.get(), 0, bytes);
    return memory;
  } catch (const std::bad_alloc&) {
    throw DeviceError("aligned_alloc", "ENOMEM", std::to_string(bytes) + " bytes",
                      SourceLocation::current(), true);
  }
}

std::size_t registered_size(std::size_t bytes) {
  return std::max<std::size_t>(bytes, 1);
}

}  // namespace

std::unique_ptr<CudaDeviceMemory> CudaDeviceMemory::allocate(std::size_t bytes, int device,
                                                             CUstream_st* stream) {
  void* data = nullptr;
  if (bytes > 0) check_cuda(cudaMallocAsync(&data, bytes, stream), "cudaMallocAsync");
  std::unique_ptr<CudaDeviceMemory> memory;
  try {
    memory =
        std::make_unique<CudaDeviceMemory>(static_cast<std::byte*>(data), bytes, device, stream);
  } catch (...) {
    (void)cudaFreeAsync(data, stream);  // the failure to report is the one on its way
    throw;
  }
  check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  return memory;
}

CudaDeviceMemory::~CudaDeviceMemory() {
  if (address() == nullptr) return;
  // A destructor reports nothing; a device that failed says so at the next call.
  try_make_current(device_);
  (void)cudaFreeAsync(address(), stream_);
}

CudaPinnedMemory::CudaPinnedMemory(std::size_t bytes, int device)
    : CudaPinnedMemory(host_pages(bytes), bytes, device) {}

CudaPinnedMemory::CudaPinnedMemory(AlignedBytes memory, std::size_t bytes, int device)
    : PinnedMemory(memory.get(), bytes), memory_(std::move(memory)), device_(device) {
  check_cuda(cudaHostRegister(memory_.get(), registered_size(bytes), cudaHostRegisterPortable),
             "cudaHostRegister");
}

CudaPinnedMemory::~CudaPinnedMemory() {
  try_make_current(device_);
  (void)cudaHostUnregister(memory_.get());
}

}  // namespace lamina::runtime

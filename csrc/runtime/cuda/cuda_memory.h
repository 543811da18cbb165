#pragma once
#include "runtime/aligned_bytes.h"
#include "runtime/runtime.h"

struct CUstream_st;

namespace lamina::runtime {

class CudaDeviceMemory final : public DeviceMemory {
 public:
  /// Of the current device. Usable from any stream at once: returns when the pool has handed the
  /// memory over.
  [[nodiscard]] static std::unique_ptr<CudaDeviceMemory> allocate(std::size_t bytes, int device,
                                                                  CUstream_st* stream);
  /// Takes the allocation over.
  CudaDeviceMemory(std::byte* data, std::size_t bytes, int device, CUstream_st* stream) noexcept
      : DeviceMemory(data, bytes), device_(device), stream_(stream) {}
  ~CudaDeviceMemory() override;

 private:
  int device_;
  CUstream_st* stream_;
};

class CudaPinnedMemory final : public PinnedMemory {
 public:
  /// Registered with the current device, for all of them.
  CudaPinnedMemory(std::size_t bytes, int device);
  ~CudaPinnedMemory() override;

 private:
  CudaPinnedMemory(AlignedBytes memory, std::size_t bytes, int device);

  AlignedBytes memory_;
  int device_;
};

}  // namespace lamina::runtime

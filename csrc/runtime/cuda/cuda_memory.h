#pragma once
#include "runtime/aligned_bytes.h"
#include "runtime/runtime.h"

struct CUstream_st;

namespace lamina::runtime {

class CudaDeviceMemory final : public DeviceMemory {
 public:
  /// Usable from any stream at once: returns when the pool has handed the memory over.
  [[nodiscard]] static std::unique_ptr<CudaDeviceMemory> allocate(std::size_t bytes,
                                                                  CUstream_st* stream);
  /// Takes the allocation over.
  CudaDeviceMemory(std::byte* data, std::size_t bytes, CUstream_st* stream) noexcept
      : DeviceMemory(data, bytes), stream_(stream) {}
  ~CudaDeviceMemory() override;

 private:
  CUstream_st* stream_;
};

class CudaPinnedMemory final : public PinnedMemory {
 public:
  explicit CudaPinnedMemory(std::size_t bytes);
  ~CudaPinnedMemory() override;

 private:
  CudaPinnedMemory(AlignedBytes memory, std::size_t bytes);

  AlignedBytes memory_;
};

}  // namespace lamina::runtime

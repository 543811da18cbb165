#pragma once
#include <lamina/devices.h>

#include "runtime/runtime.h"

struct CUstream_st;

namespace lamina::runtime {

/// One GPU. Device memory comes from CUDA's pool, which keeps for this process what was freed;
/// page-locked memory is allocated by us, touched, and registered: what CUDA allocates promises no
/// page alignment, which O_DIRECT needs.
class CudaRuntime final : public Runtime {
 public:
  /// Throws DeviceError when there is no such device.
  explicit CudaRuntime(int device = 0);
  ~CudaRuntime() override;
  CudaRuntime(const CudaRuntime&) = delete;
  CudaRuntime& operator=(const CudaRuntime&) = delete;

  /// 0 without a driver or without a device; never throws.
  [[nodiscard]] static int device_count() noexcept;
  [[nodiscard]] static CudaDevices list_devices();
  /// Throws DeviceError, with the reason, when there is none.
  static void require_any();

  [[nodiscard]] std::unique_ptr<DeviceMemory> allocate(std::size_t bytes) override;
  [[nodiscard]] std::unique_ptr<PinnedMemory> allocate_pinned(std::size_t bytes) override;
  [[nodiscard]] std::unique_ptr<Stream> make_stream() override;
  [[nodiscard]] std::unique_ptr<Event> make_event() override;
  [[nodiscard]] bool is_cuda() const noexcept override { return true; }

 private:
  int device_;
  CUstream_st* memory_stream_ = nullptr;  ///< orders allocations and releases
};

}  // namespace lamina::runtime

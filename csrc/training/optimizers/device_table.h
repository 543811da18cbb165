#pragma once
#include <lamina/tensor.h>

#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "core/device_memory.h"
#include "core/tensor_access.h"

namespace lamina::training {

/// A table of the host's where a device's jobs can read it; it goes there when it has changed.
class DeviceTable {
 public:
  explicit DeviceTable(Device device) : device_(device) {}

  /// The address on the device, until the next call. Waits for the device when there is something
  /// to copy. Throws DeviceError, OutOfMemoryError.
  template <class T>
  [[nodiscard]] T* put(const std::vector<T>& rows) {
    static_assert(std::is_trivially_copyable_v<T>);
    return static_cast<T*>(put_bytes(std::as_bytes(std::span(rows))));
  }
  /// What lies there, as elements of `dtype`.
  [[nodiscard]] Tensor tensor(DType dtype) {
    const Shape shape{static_cast<std::int64_t>(there_.nbytes() / dtype_size(dtype))};
    return Tensor::view(there_.raw(), shape, dtype, core::TensorAccess::owner(there_), device_);
  }
  /// Has the next put() copy, for the device has written there.
  void forget() { host_ = Tensor(); }

 private:
  [[nodiscard]] void* put_bytes(std::span<const std::byte> bytes) {
    if (bytes.empty()) return nullptr;
    if (host_.defined() && host_.nbytes() == bytes.size() &&
        std::memcmp(host_.raw(), bytes.data(), bytes.size()) == 0) {
      return there_.raw();
    }
    const Shape shape{static_cast<std::int64_t>(bytes.size())};
    Tensor next = Tensor::from_bytes(bytes, shape, DType::kUInt8);
    host_ = Tensor();  // until the copy has succeeded
    if (!there_.defined() || there_.nbytes() != bytes.size()) {
      there_ = Tensor::empty(shape, DType::kUInt8, device_);
    }
    core::copy_into({&there_, 1}, {&next, 1});
    host_ = std::move(next);
    return there_.raw();
  }

  Device device_;
  Tensor host_, there_;
};

}  // namespace lamina::training

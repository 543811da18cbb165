#pragma once
#include <lamina/device.h>
#include <lamina/dtype.h>
#include <lamina/error.h>
#include <lamina/shape.h>

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace lamina {

namespace core {
class TensorAccess;
}

/// A dense, row-major array on one device. Copying a Tensor shares its bytes; `clone()` copies
/// them. Concurrent reads are safe; a write needs exclusive access. Members that need memory on a
/// device, or copy to or from one, throw DeviceError when it fails them.
class Tensor {
 public:
  /// An undefined tensor: no shape, no bytes.
  Tensor() = default;

  /// Uninitialised elements. Throws ValueError for an unknown or overflowing shape or a device that
  /// this build does not know, OutOfMemoryError.
  static Tensor empty(Shape shape, DType dtype = DType::kFloat32, Device device = Device::cpu());
  /// Zeros, on the CPU. Throws ValueError as `empty` does, OutOfMemoryError.
  static Tensor zeros(Shape shape, DType dtype = DType::kFloat32);
  /// Elements copied from `values`. Throws ValueError when their number is not that of `shape`.
  template <class T>
  static Tensor from(const std::vector<T>& values, const Shape& shape) {
    return from_bytes(std::as_bytes(std::span(values)), shape, dtype_of_v<T>);
  }
  /// Elements copied from `bytes`, on the CPU. Throws ValueError when these are not as many bytes
  /// as shape and dtype take, OutOfMemoryError.
  static Tensor from_bytes(std::span<const std::byte> bytes, Shape shape, DType dtype);
  /// A view of memory owned by `owner`, which is kept alive as long as the view is: as many bytes
  /// from `data` on as shape and dtype take, which nobody checks. Throws ValueError for a shape
  /// that is unknown or overflows.
  static Tensor view(void* data, Shape shape, DType dtype, std::shared_ptr<void> owner,
                     Device device = Device::cpu());

  [[nodiscard]] bool defined() const noexcept { return defined_; }
  [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
  [[nodiscard]] DType dtype() const noexcept { return dtype_; }
  [[nodiscard]] Device device() const noexcept { return device_; }
  /// The number of elements.
  [[nodiscard]] std::int64_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t nbytes() const noexcept {
    return static_cast<std::size_t>(size_) * dtype_size(dtype_);
  }

  /// An address of the tensor's device: the host may follow it only if that is the CPU.
  [[nodiscard]] void* raw() noexcept { return data_; }
  [[nodiscard]] const void* raw() const noexcept { return data_; }
  /// Throws ValueError when the tensor is not on the CPU.
  [[nodiscard]] std::span<std::byte> bytes() {
    require_host();
    return {static_cast<std::byte*>(data_), nbytes()};
  }
  [[nodiscard]] std::span<const std::byte> bytes() const {
    require_host();
    return {static_cast<const std::byte*>(data_), nbytes()};
  }
  /// Typed elements. Throws ValueError when T is not the tensor's dtype, or the tensor is not on
  /// the CPU.
  template <class T>
  [[nodiscard]] std::span<T> data() {
    require(dtype_of_v<T>);
    return {static_cast<T*>(data_), static_cast<std::size_t>(size_)};
  }
  template <class T>
  [[nodiscard]] std::span<const T> data() const {
    require(dtype_of_v<T>);
    return {static_cast<const T*>(data_), static_cast<std::size_t>(size_)};
  }

  /// A copy with bytes of its own, on the same device; undefined for an undefined tensor. Throws
  /// OutOfMemoryError.
  [[nodiscard]] Tensor clone() const;
  /// The same elements on `device`; itself when it is there already. Returns when they are there.
  [[nodiscard]] Tensor to(Device device) const;
  /// The same elements as `dtype`, converted as C++ converts (floats to nearest even); itself when
  /// it has that dtype already. What is on another device is converted on the CPU and goes back.
  [[nodiscard]] Tensor cast(DType dtype) const;
  /// The same bytes under another shape of equal size. Throws ValueError otherwise.
  [[nodiscard]] Tensor reshape(Shape shape) const;

 private:
  friend class core::TensorAccess;
  void require(DType dtype) const;
  void require_host() const;

  std::shared_ptr<void> owner_;
  void* data_ = nullptr;
  Shape shape_;
  std::int64_t size_ = 0;
  DType dtype_ = DType::kFloat32;
  Device device_;
  bool defined_ = false;
};

/// True when shape, dtype and every byte agree (so NaNs with equal bits are equal, 0.0 and -0.0
/// not), wherever the tensors are.
[[nodiscard]] bool bitwise_equal(const Tensor& a, const Tensor& b);

}  // namespace lamina

#include <lamina/tensor.h>

#include <cstring>

#include "core/buffer.h"
#include "core/convert.h"
#include "core/device_memory.h"

namespace lamina {
Tensor Tensor::empty(Shape shape, DType dtype, Device device) {
  Tensor t;
  t.size_ = shape.size();
  t.shape_ = std::move(shape);
  t.dtype_ = dtype;
  t.device_ = device;
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<std::size_t>(t.size_), dtype_size(dtype), &bytes)) {
    throw ValueError("The shape " + t.shape_.str() + " holds more bytes than can be counted.");
  }
  t.owner_ = device.kind == Device::Kind::kCpu ? core::allocate_host(bytes)
                                               : core::allocate_on(device, bytes);
  t.data_ = t.owner_.get();
  t.defined_ = true;
  return t;
}

Tensor Tensor::zeros(Shape shape, DType dtype) {
  Tensor t = empty(std::move(shape), dtype);
  std::memset(t.data_, 0, t.nbytes());
  return t;
}

Tensor Tensor::from_bytes(std::span<const std::byte> bytes, Shape shape, DType dtype) {
  Tensor t = empty(std::move(shape), dtype);
  if (bytes.size() != t.nbytes()) {
    throw ValueError("A tensor of shape " + t.shape_.str() + " and dtype " +
                     std::string(dtype_name(dtype)) + " takes " + std::to_string(t.nbytes()) +
                     " bytes; received " + std::to_string(bytes.size()) + ".");
  }
  if (!bytes.empty()) std::memcpy(t.data_, bytes.data(), bytes.size());
  return t;
}

Tensor Tensor::view(void* data, Shape shape, DType dtype, std::shared_ptr<void> owner,
                    Device device) {
  Tensor t;
  t.size_ = shape.size();
  t.shape_ = std::move(shape);
  t.dtype_ = dtype;
  t.device_ = device;
  t.owner_ = std::move(owner);
  t.data_ = data;
  t.defined_ = true;
  return t;
}

Tensor Tensor::clone() const {
  if (!defined_) return {};
  if (device_.kind == Device::Kind::kCpu) return from_bytes(bytes(), shape_, dtype_);
  return std::move(core::copies_on(device_, {this, 1}).front());
}

Tensor Tensor::to(Device device) const {
  if (!defined_ || device == device_) return *this;
  return std::move(core::copies_on(device, {this, 1}).front());
}

Tensor Tensor::cast(DType dtype) const {
  if (!defined_ || dtype == dtype_) return *this;
  if (device_.kind != Device::Kind::kCpu) return to(Device::cpu()).cast(dtype).to(device_);
  Tensor out = empty(shape_, dtype);
  dispatch(dtype_, [&]<class From>(From) {
    dispatch(dtype, [&]<class To>(To) {
      const auto* in = static_cast<const From*>(data_);
      auto* result = static_cast<To*>(out.data_);
      for (std::int64_t i = 0; i < size_; ++i) result[i] = core::convert<From, To>(in[i]);
    });
  });
  return out;
}

Tensor Tensor::reshape(Shape shape) const {
  if (shape.size() != size_) {
    throw ValueError("Cannot reshape a tensor of shape " + shape_.str() + " into " + shape.str() +
                     ".");
  }
  Tensor t = *this;
  t.shape_ = std::move(shape);
  return t;
}

void Tensor::require(DType dtype) const {
  if (!defined_) throw ValueError("The tensor is undefined.");
  if (dtype != dtype_) {
    throw ValueError("The tensor holds " + std::string(dtype_name(dtype_)) + ", not " +
                     std::string(dtype_name(dtype)) + ".");
  }
  require_host();
}

void Tensor::require_host() const {
  if (device_.kind == Device::Kind::kCpu) return;
  throw ValueError("The tensor's elements are on " + device_.str() +
                   ", where the host cannot reach them; copy them with to(Device::cpu()).");
}

bool bitwise_equal(const Tensor& a, const Tensor& b) {
  if (a.defined() != b.defined()) return false;
  if (!a.defined()) return true;
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  const Tensor here_a = a.to(Device::cpu()), here_b = b.to(Device::cpu());
  return a.nbytes() == 0 || std::memcmp(here_a.raw(), here_b.raw(), a.nbytes()) == 0;
}

}  // namespace lamina

#include <lamina/variable.h>

#include "core/first_value.h"

namespace lamina {

Variable::Variable(std::string name, Shape shape, DType dtype, Initializer initializer,
                   bool trainable)
    : name_(std::move(name)),
      path_(name_),
      shape_(std::move(shape)),
      dtype_(dtype),
      trainable_(trainable),
      first_(std::make_shared<core::FirstValue>(std::move(initializer), shape_, dtype)) {
  (void)shape_.size();  // refuses unknown dimensions here rather than at first use
}

Variable::Variable(std::string name, Tensor value, bool trainable)
    : name_(std::move(name)),
      path_(name_),
      shape_(value.shape()),
      dtype_(value.dtype()),
      trainable_(trainable),
      device_(value.device()),
      value_(std::move(value)) {}

void Variable::require_value() const {
  if (!released_ && !value_.defined() && !first_) {
    throw ValueError("The variable '" + path_ + "' was made without a value.");
  }
  if (!released_) return;
  throw ValueError("The variable '" + path_ +
                   "' was released after its weights were packed for prediction; load the weights "
                   "again to use its value.");
}

const Tensor& Variable::value() const {
  if (!value_.defined()) {
    require_value();
    try {
      value_ = first_->get();
    } catch (const OutOfMemoryError& error) {
      throw OutOfMemoryError("The first value of '" + path_ + "', of shape " + shape_.str(), error);
    }
    if (value_.defined()) first_ = nullptr;
  }
  return value_;
}

void Variable::require_shape(const Tensor& value) const {
  if (value.shape() == shape_) return;
  throw ValueError(
      "The shape of the target variable and the shape of the target value in "
      "`variable.assign(value)` must match. variable.shape=" +
      shape_.str() + ", Received: value.shape=" + value.shape().str() +
      ". Target variable: " + path_);
}

void Variable::set(Tensor value) noexcept {
  value_ = std::move(value);
  first_ = nullptr;
  released_ = false;
  ++version_;
}

void Variable::assign(Tensor value) {
  require_shape(value);
  // A value that fits is moved, which cannot fail: a load gives all variables their values, or
  // none.
  if (value.dtype() != dtype_) value = value.cast(dtype_);
  if (value.device() != device_) value = value.to(device_);
  set(std::move(value));
}

void Variable::move_to_value(Tensor value) {
  require_shape(value);
  if (value.dtype() != dtype_) {
    throw ValueError("The variable '" + path_ + "' holds " + std::string(dtype_name(dtype_)) +
                     "; received a value of " + std::string(dtype_name(value.dtype())) + ".");
  }
  device_ = value.device();
  set(std::move(value));
}

void Variable::to(Device device) {
  if (device == device_) return;
  if (value_.defined()) {
    move_to_value(value_.to(device));
    return;
  }
  // A snapshot of before keeps its value where it was, and the initialiser still runs but once.
  if (first_) {
    first_ = std::make_shared<core::FirstValue>(
        [first = first_, device](const Shape&, DType) { return first->get().to(device); }, shape_,
        dtype_, *first_);
  }
  device_ = device;
}

}  // namespace lamina

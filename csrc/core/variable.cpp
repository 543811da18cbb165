#include <lamina/variable.h>

#include <mutex>

namespace lamina {

/// A value in the making, shared by the variable and the snapshots of its first value.
struct Variable::FirstValue {
  FirstValue(Initializer function, Shape shape, DType dtype)
      : initializer(std::move(function)), shape(std::move(shape)), dtype(dtype) {}

  const Tensor& get() {
    std::call_once(once, [this] {
      value = initializer(shape, dtype);
      initializer = nullptr;
    });
    return value;
  }

  std::once_flag once;
  Initializer initializer;
  Shape shape;
  DType dtype;
  Tensor value;
};

Variable::Variable(std::string name, Shape shape, DType dtype, Initializer initializer,
                   bool trainable)
    : name_(std::move(name)),
      path_(name_),
      shape_(std::move(shape)),
      dtype_(dtype),
      trainable_(trainable),
      first_(std::make_shared<FirstValue>(std::move(initializer), shape_, dtype)) {
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
    value_ = first_->get();
    if (value_.defined()) first_ = nullptr;
  }
  return value_;
}

Variable::Snapshot::Snapshot(const Variable& variable) : variable_(&variable) {
  const Tensor& value = variable.value_;
  if (value.defined()) {
    owner_ = value.owner();
    data_ = value.raw();
    device_ = value.device();
  } else {
    variable.require_value();
    owner_ = variable.first_;
    in_the_making_ = true;
  }
}

const Tensor& Variable::Snapshot::first_value() const {
  return static_cast<FirstValue*>(owner_.get())->get();
}

Tensor Variable::Snapshot::value() const {
  if (variable_ == nullptr) return {};
  if (in_the_making_) return first_value();
  return Tensor::view(const_cast<void*>(data_), variable_->shape_, variable_->dtype_, owner_,
                      device_);
}

std::span<const std::byte> Variable::Snapshot::bytes() const {
  if (variable_ == nullptr) return {};
  if (!in_the_making_) return {static_cast<const std::byte*>(data_), variable_->nbytes()};
  const Tensor& value = first_value();
  return {static_cast<const std::byte*>(value.raw()), value.nbytes()};
}

Device Variable::Snapshot::device() const {
  return in_the_making_ ? first_value().device() : device_;
}

void Variable::Snapshot::replace(const Tensor& value) {
  in_the_making_ = false;
  owner_ = value.owner();
  data_ = value.raw();
  device_ = value.device();
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
    first_ = std::make_shared<FirstValue>(
        [first = first_, device](const Shape&, DType) { return first->get().to(device); }, shape_,
        dtype_);
  }
  device_ = device;
}

void Variable::release() noexcept {
  value_ = Tensor();
  first_ = nullptr;
  released_ = true;
}

}  // namespace lamina

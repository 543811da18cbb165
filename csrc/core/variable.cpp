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

Variable::Snapshot Variable::snapshot() const {
  require_value();
  Snapshot out;
  out.variable_ = this;
  if (value_.defined()) {
    out.replace(value_);
  } else {
    out.first_ = first_;
  }
  return out;
}

Tensor Variable::Snapshot::value() const {
  if (variable_ == nullptr) return {};
  if (first_) return first_->get();
  return Tensor::view(const_cast<void*>(data_), variable_->shape_, variable_->dtype_, owner_,
                      device_);
}

void Variable::Snapshot::replace(const Tensor& value) {
  first_ = nullptr;
  owner_ = value.owner();
  data_ = value.raw();
  device_ = value.device();
}

void Variable::assign(Tensor value) {
  if (value.shape() != shape_) {
    throw ValueError(
        "The shape of the target variable and the shape of the target value in "
        "`variable.assign(value)` must match. variable.shape=" +
        shape_.str() + ", Received: value.shape=" + value.shape().str() +
        ". Target variable: " + path_);
  }
  // A value that fits is moved, which cannot fail: a load gives all variables their values, or
  // none.
  value_ = value.dtype() == dtype_ ? std::move(value) : value.cast(dtype_);
  first_ = nullptr;
  released_ = false;
  ++version_;
}

void Variable::release() noexcept {
  value_ = Tensor();
  first_ = nullptr;
  released_ = true;
}

}  // namespace lamina

#include <lamina/variable.h>

namespace lamina {

Variable::Variable(std::string name, Shape shape, DType dtype, Initializer initializer,
                   bool trainable)
    : name_(std::move(name)),
      path_(name_),
      shape_(std::move(shape)),
      dtype_(dtype),
      trainable_(trainable),
      initializer_(std::move(initializer)) {
  (void)shape_.size();  // refuses unknown dimensions here rather than at first use
}

Variable::Variable(std::string name, Tensor value, bool trainable)
    : name_(std::move(name)),
      path_(name_),
      shape_(value.shape()),
      dtype_(value.dtype()),
      trainable_(trainable),
      value_(std::move(value)) {}

const Tensor& Variable::value() const {
  if (!value_.defined()) {
    if (released_) {
      throw ValueError(
          "The variable '" + path_ +
          "' was released after its weights were packed for prediction; load the weights "
          "again to use its value.");
    }
    value_ = initializer_(shape_, dtype_);
    initializer_ = nullptr;
  }
  return value_;
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
  initializer_ = nullptr;
  released_ = false;
  ++version_;
}

void Variable::release() noexcept {
  value_ = Tensor();
  released_ = true;
}

}  // namespace lamina

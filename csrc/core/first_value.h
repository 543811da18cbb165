#pragma once
#include <lamina/variable.h>

#include <mutex>
#include <utility>

namespace lamina::core {

/// A value in the making, shared by the variable and the snapshots of its first value.
class FirstValue {
 public:
  FirstValue(Variable::Initializer initializer, Shape shape, DType dtype)
      : initializer_(std::move(initializer)), shape_(std::move(shape)), dtype_(dtype) {}

  /// Runs the initialiser if nobody has; from several threads at once, too. One that throws is
  /// tried again.
  const Tensor& get() {
    std::call_once(once_, [this] {
      value_ = initializer_(shape_, dtype_);
      initializer_ = nullptr;
    });
    return value_;
  }

 private:
  std::once_flag once_;
  Variable::Initializer initializer_;
  Shape shape_;
  DType dtype_;
  Tensor value_;
};

}  // namespace lamina::core

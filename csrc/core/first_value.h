#pragma once
#include <lamina/variable.h>

#include <mutex>
#include <utility>

namespace lamina::core {

/// An initialiser: what another variable, of the same shape and dtype, holds by then. It is for the
/// thread that uses that variable; a snapshot takes the other's value in its place.
struct CopyOf {
  VariablePtr from;
  Tensor operator()(const Shape&, DType) const { return from->value().to(Device::cpu()).clone(); }
};

/// A value in the making, shared by the variable and the snapshots of its first value.
class FirstValue {
 public:
  FirstValue(Variable::Initializer initializer, Shape shape, DType dtype)
      : initializer_(std::move(initializer)), shape_(std::move(shape)), dtype_(dtype) {
    if (const auto* copy = initializer_.target<CopyOf>()) from_ = copy->from;
  }
  /// Of what another one makes.
  FirstValue(Variable::Initializer initializer, Shape shape, DType dtype, const FirstValue& other)
      : FirstValue(std::move(initializer), std::move(shape), dtype) {
    from_ = other.from_;
  }

  /// Whose value it copies; null: nobody's.
  [[nodiscard]] const Variable* from() const noexcept { return from_.get(); }

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
  VariablePtr from_;
};

}  // namespace lamina::core

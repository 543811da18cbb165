#pragma once
#include <lamina/constraints.h>
#include <lamina/regularizers.h>
#include <lamina/tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace lamina {

namespace core {
class FirstValue;
class VariableAccess;
class VariableSnapshot;
}  // namespace core

/// A named tensor that a layer or an optimizer owns, and that weights files hold.
///
/// The value is made by the initialiser at first use, so building a model and then loading its
/// weights neither computes nor allocates values that are thrown away. It lives on one device,
/// which assigning does not change. Not synchronised: two threads must not use one variable while
/// either may materialise or assign it.
class Variable {
 public:
  /// Makes a value of this shape and dtype, on the CPU.
  using Initializer = std::function<Tensor(const Shape&, DType)>;

  /// A variable whose value `initializer` makes when it is first needed. Throws ValueError for a
  /// shape with an unknown dimension.
  Variable(std::string name, Shape shape, DType dtype, Initializer initializer,
           bool trainable = true);
  /// A variable that holds `value` from the start, and is where that is.
  Variable(std::string name, Tensor value, bool trainable = true);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// "dense/kernel": the owner's name and the variable's, as Keras prints it; the name alone unless
  /// set. Messages and an optimizer's variables name the variable by it.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  void set_path(std::string path) { path_ = std::move(path); }
  [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
  [[nodiscard]] DType dtype() const noexcept { return dtype_; }
  [[nodiscard]] bool trainable() const noexcept { return trainable_; }
  /// What a variable that is trained adds to the loss; none unless set, before it is trained.
  [[nodiscard]] const Regularizer& regularizer() const noexcept { return regularizer_; }
  void set_regularizer(Regularizer regularizer) { regularizer_ = std::move(regularizer); }
  /// What becomes of the variable after each step of an optimizer; none unless set, before it is
  /// trained.
  [[nodiscard]] const Constraint& constraint() const noexcept { return constraint_; }
  void set_constraint(Constraint constraint) { constraint_ = std::move(constraint); }
  /// Where the value is, or will be once there is one.
  [[nodiscard]] Device device() const noexcept { return device_; }
  /// What the value takes, or will take.
  [[nodiscard]] std::size_t nbytes() const {
    return static_cast<std::size_t>(shape_.size()) * dtype_size(dtype_);
  }

  /// The value, materialised if need be. Throws ValueError for a released variable, and what the
  /// initialiser throws.
  [[nodiscard]] const Tensor& value() const;
  /// True when `value()` would return without running the initialiser.
  [[nodiscard]] bool materialized() const noexcept { return value_.defined(); }
  /// Replaces the value (the tensor is shared, not copied; another dtype is cast, and what is
  /// elsewhere is copied to the variable's device). Throws ValueError when the shape differs,
  /// DeviceError; the old value then stays.
  void assign(Tensor value);
  /// Moves the value, or what the initialiser will make, to `device`. Throws ValueError,
  /// DeviceError; the value then stays where it is. `Model::to` moves many at once.
  void to(Device device);
  /// True when the value was freed once it was packed for prediction (see InferenceOptions).
  /// `assign` brings the variable back.
  [[nodiscard]] bool released() const noexcept { return released_; }

 private:
  friend class core::VariableAccess;
  friend class core::VariableSnapshot;
  void move_to_value(Tensor value);
  void require_value() const;
  void require_shape(const Tensor& value) const;
  void set(Tensor value) noexcept;

  std::string name_;
  std::string path_;
  Shape shape_;
  DType dtype_;
  bool trainable_;
  Regularizer regularizer_;
  Constraint constraint_;
  Device device_;
  bool released_ = false;
  std::uint64_t version_ = 1;
  mutable std::shared_ptr<core::FirstValue> first_;  // until the initialiser has run
  mutable Tensor value_;
};

using VariablePtr = std::shared_ptr<Variable>;

}  // namespace lamina

#pragma once
#include <lamina/constraints.h>
#include <lamina/regularizers.h>
#include <lamina/tensor.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace lamina {

/// A named tensor that a layer or an optimizer owns, and that weights files hold.
///
/// The value is made by the initialiser at first use, so building a model and then loading its
/// weights neither computes nor allocates values that are thrown away. It lives on one device,
/// which assigning does not change. Not synchronised: two threads must not use one variable while
/// either may materialise or assign it.
class Variable {
 public:
  using Initializer = std::function<Tensor(const Shape&, DType)>;
  class Snapshot;

  Variable(std::string name, Shape shape, DType dtype, Initializer initializer,
           bool trainable = true);
  /// A variable that holds `value` from the start.
  Variable(std::string name, Tensor value, bool trainable = true);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// "dense/kernel": the owner's name and the variable's, as Keras prints it.
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
  [[nodiscard]] std::size_t nbytes() const {
    return static_cast<std::size_t>(shape_.size()) * dtype_size(dtype_);
  }

  /// The value, materialised if need be. Throws ValueError after `release()`.
  [[nodiscard]] const Tensor& value() const;
  /// The value as it is now, for use on any thread. An initialiser that has not run yet runs at the
  /// snapshot's or the variable's first use, whichever comes first, once for both.
  /// Throws ValueError after `release()`.
  [[nodiscard]] Snapshot snapshot() const;
  /// True when `value()` would return without running the initialiser.
  [[nodiscard]] bool materialized() const noexcept { return value_.defined(); }
  /// Replaces the value (the tensor is shared, not copied; another dtype is cast, and what is
  /// elsewhere is copied to the variable's device). Throws ValueError when the shape differs,
  /// DeviceError; the old value then stays.
  void assign(Tensor value);
  /// Moves the value, or what the initialiser will make, to `device`. Throws ValueError,
  /// DeviceError; the value then stays where it is. `Model::to` moves many at once.
  void to(Device device);
  /// As `assign`, but the variable moves to where the tensor is. Throws ValueError when shape or
  /// dtype differ.
  void move_to_value(Tensor value);
  /// Frees the value: for prediction with packed weights. `assign` brings the variable back.
  void release() noexcept;
  [[nodiscard]] bool released() const noexcept { return released_; }
  /// Grows with every assign, so that packed copies know when they are stale.
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

 private:
  struct FirstValue;
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
  mutable std::shared_ptr<FirstValue> first_;  // until the initialiser has run
  mutable Tensor value_;
};

/// What a variable's value was when the snapshot was taken; the variable must outlive it. Assigning
/// to the variable does not change it; writing into the tensor's memory does, for the bytes are
/// shared. To take one allocates nothing.
class Variable::Snapshot {
 public:
  Snapshot() = default;
  /// `variable.snapshot()`, made in its place. Throws what that throws.
  explicit Snapshot(const Variable& variable);
  /// Safe from several threads at once, and while the variable is assigned. Undefined for an empty
  /// snapshot. Throws what the initialiser throws.
  [[nodiscard]] Tensor value() const;
  /// The value's bytes on `device()`, without a tensor around them; they live as long as this, or
  /// until `replace`. None for an empty snapshot. Throws what the initialiser throws.
  [[nodiscard]] std::span<const std::byte> bytes() const;
  [[nodiscard]] Device device() const;
  /// Puts another value of the same shape and dtype in its place.
  void replace(const Tensor& value);

 private:
  /// Of a value in the making.
  [[nodiscard]] const Tensor& first_value() const;

  const Variable* variable_ = nullptr;
  std::shared_ptr<void> owner_;  // of the bytes; of a value in the making, the FirstValue
  const void* data_ = nullptr;
  Device device_;
  bool in_the_making_ = false;
};

inline Variable::Snapshot Variable::snapshot() const {
  return Snapshot(*this);
}

using VariablePtr = std::shared_ptr<Variable>;

}  // namespace lamina

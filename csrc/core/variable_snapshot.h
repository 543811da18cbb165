#pragma once
#include <lamina/variable.h>

#include <cstddef>
#include <memory>
#include <span>

namespace lamina::core {

class FirstValue;

/// What a variable's value was when the snapshot was taken, for use on any thread; the variable
/// must outlive it. Assigning to the variable does not change it; writing into the tensor's memory
/// does, for the bytes are shared. An initialiser that has not run yet runs at the snapshot's or
/// the variable's first use, whichever comes first, once for both; in the place of a copy (CopyOf)
/// that is yet to be made stands what it copies. To take one allocates nothing.
class VariableSnapshot {
 public:
  VariableSnapshot() = default;
  /// Throws ValueError for a variable that was released.
  explicit VariableSnapshot(const Variable& variable);
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

}  // namespace lamina::core

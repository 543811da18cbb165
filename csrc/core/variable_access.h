#pragma once
#include <lamina/variable.h>

#include <cstdint>
#include <utility>

namespace lamina::core {

/// What the library's own files do with variables, and nobody else.
class VariableAccess {
 public:
  /// As `assign`, but the variable moves to where the tensor is. Throws ValueError when shape or
  /// dtype differ.
  static void move_to_value(Variable& variable, Tensor value) {
    variable.move_to_value(std::move(value));
  }
  /// Frees the value: for prediction with packed weights. `assign` brings the variable back.
  static void release(Variable& variable) noexcept {
    variable.value_ = Tensor();
    variable.first_ = nullptr;
    variable.released_ = true;
  }
  /// Grows with every assign, so that packed copies know when they are stale.
  [[nodiscard]] static std::uint64_t version(const Variable& variable) noexcept {
    return variable.version_;
  }
};

}  // namespace lamina::core

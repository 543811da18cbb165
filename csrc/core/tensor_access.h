#pragma once
#include <lamina/tensor.h>

#include <memory>

namespace lamina::core {

/// What the library's own files reach of tensors, and nobody else.
class TensorAccess {
 public:
  /// What keeps the bytes alive.
  [[nodiscard]] static const std::shared_ptr<void>& owner(const Tensor& tensor) noexcept {
    return tensor.owner_;
  }
};

}  // namespace lamina::core

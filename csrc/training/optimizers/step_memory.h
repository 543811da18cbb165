#pragma once
#include <lamina/variable.h>

#include <memory>
#include <unordered_map>

namespace lamina::training {

/// Where new values of variables are written. A value that nothing but its variable holds, and that
/// was made here, is overwritten; one that somebody shares (a save in the background, a copy of the
/// user's) is left to them, and another buffer takes its place.
class StepMemory {
 public:
  /// A tensor of the variable's shape to be filled and then assigned to it; may be the value
  /// itself. Where there is no memory for another buffer, it waits for the saves in the background
  /// that hold the values. Throws OutOfMemoryError and DeviceError when that does not help either.
  [[nodiscard]] Tensor writable(const VariablePtr& variable);

 private:
  /// Memory of ours, whoever holds it.
  struct Buffer {
    std::weak_ptr<void> memory;
    const void* data = nullptr;
  };
  struct Buffers {
    Buffer current;               ///< what was handed out last
    std::shared_ptr<void> spare;  ///< what was shared when it was replaced
  };
  /// The same, but for the waiting.
  Tensor take(const VariablePtr& variable);

  std::unordered_map<const Variable*, Buffers> buffers_;
};

}  // namespace lamina::training

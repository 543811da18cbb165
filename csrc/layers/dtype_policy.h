#pragma once
#include <lamina/layer.h>

namespace lamina::layers {

/// The policy of layers that are given none (`set_dtype_policy`).
[[nodiscard]] DTypePolicy current_dtype_policy();

/// What layers that this thread makes without a dtype take instead, as long as this lives: those
/// that a layer's `call` makes are of its policy, whenever it is traced. Null: the global one
/// again.
class PolicyOfCall {
 public:
  explicit PolicyOfCall(const DTypePolicy* policy) noexcept;
  ~PolicyOfCall();
  PolicyOfCall(const PolicyOfCall&) = delete;
  PolicyOfCall& operator=(const PolicyOfCall&) = delete;

 private:
  const DTypePolicy* outer_;
};

}  // namespace lamina::layers

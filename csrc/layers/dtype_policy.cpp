#include <lamina/error.h>
#include <lamina/layer.h>

#include <mutex>
#include <utility>

#include "core/forked_along.h"
#include "layers/dtype_policy.h"

namespace lamina {
namespace {

struct GlobalPolicy {
  std::mutex mutex;
  DTypePolicy policy;
};

GlobalPolicy& global_policy() {
  return core::ForkedAlong<GlobalPolicy>::get();
}

thread_local const DTypePolicy* policy_of_call = nullptr;

}  // namespace

DTypePolicy DTypePolicy::from_name(std::string_view name) {
  if (name == "mixed_float16") return {std::string(name), DType::kFloat16, DType::kFloat32};
  if (name == "mixed_bfloat16") return {std::string(name), DType::kBFloat16, DType::kFloat32};
  try {
    const DType dtype = dtype_from_name(name);
    return {std::string(name), dtype, dtype};
  } catch (const ValueError&) {
    throw ValueError("Cannot convert '" + std::string(name) +
                     "' to a mixed precision DTypePolicy. Valid policies include 'mixed_float16', "
                     "'mixed_bfloat16', and the name of any float dtype such as 'float32'.");
  }
}

layers::PolicyOfCall::PolicyOfCall(const DTypePolicy* policy) noexcept
    : outer_(std::exchange(policy_of_call, policy)) {}

layers::PolicyOfCall::~PolicyOfCall() {
  policy_of_call = outer_;
}

DTypePolicy layers::current_dtype_policy() {
  if (policy_of_call != nullptr) return *policy_of_call;
  GlobalPolicy& global = global_policy();
  const std::lock_guard lock(global.mutex);
  return global.policy;
}

void set_dtype_policy(std::string_view name) {
  DTypePolicy policy = DTypePolicy::from_name(name);
  GlobalPolicy& global = global_policy();
  const std::lock_guard lock(global.mutex);
  global.policy = std::move(policy);
}

}  // namespace lamina

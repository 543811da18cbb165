#pragma once
#include <lamina/tensor.h>

#include <optional>
#include <string>

namespace lamina::cli {

/// How two tensors of one shape and dtype differ, for people: how many elements, where the first
/// one is with both values, and the largest difference. Nothing when every byte agrees.
[[nodiscard]] std::optional<std::string> describe_difference(const Tensor& a, const Tensor& b);

}  // namespace lamina::cli

#pragma once
#include <string>

namespace lamina::core {

/// "1.50 GB": 1024 steps and two decimals, as Keras prints sizes.
[[nodiscard]] std::string readable_size(double bytes);

}  // namespace lamina::core

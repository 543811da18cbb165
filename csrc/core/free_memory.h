#pragma once
#include <cstddef>

namespace lamina::core {

/// Bytes of host memory that can be used without swapping: what Linux holds available, within the
/// bound of the control group. SIZE_MAX where the system does not tell.
[[nodiscard]] std::size_t free_host_memory();

}  // namespace lamina::core

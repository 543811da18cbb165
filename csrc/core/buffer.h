#pragma once
#include <cstddef>
#include <memory>

namespace lamina::core {

/// Uninitialised host memory: 64-byte aligned, and from 2 MiB on page-aligned with huge pages asked
/// for (a quarter of the page faults' cost when a large weight is first touched).
/// Throws OutOfMemoryError.
[[nodiscard]] std::shared_ptr<void> allocate_host(std::size_t bytes);

}  // namespace lamina::core

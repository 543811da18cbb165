#pragma once
#include <cstddef>
#include <memory>

namespace lamina::core {

/// Uninitialised host memory: 64-byte aligned, and from 2 MiB on page-aligned with huge pages asked
/// for (a quarter of the page faults' cost when a large weight is first touched).
/// Throws OutOfMemoryError, also for more than there is at all: systems may promise that, and end
/// the process when it is used.
[[nodiscard]] std::shared_ptr<void> allocate_host(std::size_t bytes);

/// True of memory that has so many holders, as a shared_ptr counts them, when there is only one,
/// who may write over it: whoever let go of it last, on whatever thread, has read what it wanted.
[[nodiscard]] bool is_exclusive(long holders) noexcept;

}  // namespace lamina::core

#pragma once
#include <cstddef>

namespace lamina::core {

/// Bytes of host memory that can be used without swapping: what Linux holds available, within the
/// bound of the control group. SIZE_MAX where the system does not tell.
[[nodiscard]] std::size_t free_host_memory();

/// Another answer of `free_host_memory`, for as long as this lives: for tests.
class ReplacedFreeMemory {
 public:
  explicit ReplacedFreeMemory(std::size_t bytes);
  ~ReplacedFreeMemory();
  ReplacedFreeMemory(const ReplacedFreeMemory&) = delete;
  ReplacedFreeMemory& operator=(const ReplacedFreeMemory&) = delete;

 private:
  std::size_t bytes_;
};

}  // namespace lamina::core

#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace lamina::core {

/// Bytes of memory that control groups leave a process: its own, and those that this one is in.
/// SIZE_MAX where they do not tell.
struct GroupMemory {
  std::size_t free = SIZE_MAX;   ///< of the bound
  std::size_t bound = SIZE_MAX;  ///< of memory
  std::size_t swap = SIZE_MAX;   ///< the bound of swap
  std::size_t all = SIZE_MAX;    ///< the bound of memory and swap together
};
/// Of either version. `membership` says which groups they are, below `mount`.
[[nodiscard]] GroupMemory group_memory(
    const std::filesystem::path& membership = "/proc/self/cgroup",
    const std::filesystem::path& mount = "/sys/fs/cgroup");

/// Bytes of host memory that can be used without swapping: what Linux holds available, within the
/// bounds of the control groups. SIZE_MAX where the system does not tell.
[[nodiscard]] std::size_t free_host_memory();

/// Bytes of host memory that there are, swap included, within the bounds of the control groups:
/// more than these nobody ever gets. SIZE_MAX where the system does not tell.
[[nodiscard]] std::size_t host_memory();

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

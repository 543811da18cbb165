#include "core/free_memory.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <fstream>
#include <string>

namespace lamina::core {
namespace {

/// The number behind the key, in a file with a key a line.
std::size_t number_of(const std::string& key, const char* path, std::size_t otherwise) {
  std::ifstream file(path);
  for (std::string found; file >> found;) {
    std::size_t number = 0;
    if (found == key && file >> number) return number;
    file.ignore(SIZE_MAX >> 1, '\n');
  }
  return otherwise;
}

std::size_t available_memory() {
  constexpr std::size_t kKibibyte = 1024;
  const std::size_t kibibytes = number_of("MemAvailable:", "/proc/meminfo", SIZE_MAX / kKibibyte);
  return kibibytes * kKibibyte;
}

/// "max" reads as no number.
std::size_t number_in(const char* path, std::size_t otherwise) {
  std::ifstream file(path);
  std::size_t value = 0;
  return file >> value ? value : otherwise;
}

std::size_t within_control_group() {
  const std::size_t bound = number_in("/sys/fs/cgroup/memory.max", SIZE_MAX);
  if (bound == SIZE_MAX) return SIZE_MAX;
  const std::size_t used = number_in("/sys/fs/cgroup/memory.current", 0);
  // Of files that were read or written, and goes as soon as memory is asked for.
  const std::size_t cached = number_of("inactive_file", "/sys/fs/cgroup/memory.stat", 0);
  return bound - std::min(bound, used - std::min(used, cached));
}

std::atomic<const std::size_t*> replaced = nullptr;

}  // namespace

std::size_t free_host_memory() {
  if (const std::size_t* const bytes = replaced) return *bytes;
  return std::min(available_memory(), within_control_group());
}

ReplacedFreeMemory::ReplacedFreeMemory(std::size_t bytes) : bytes_(bytes) {
  replaced = &bytes_;
}

ReplacedFreeMemory::~ReplacedFreeMemory() {
  replaced = nullptr;
}

}  // namespace lamina::core

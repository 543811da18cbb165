#include "core/free_memory.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <fstream>
#include <string>

namespace lamina::core {
namespace {

std::size_t available_memory() {
  std::ifstream file("/proc/meminfo");
  for (std::string key; file >> key;) {
    std::size_t kibibytes = 0;
    if (key == "MemAvailable:" && file >> kibibytes) return kibibytes * 1024;
    file.ignore(SIZE_MAX >> 1, '\n');
  }
  return SIZE_MAX;
}

/// "max" reads as no number.
std::size_t number_in(const char* path, std::size_t otherwise) {
  std::ifstream file(path);
  std::size_t value = 0;
  return file >> value ? value : otherwise;
}

std::size_t within_control_group() {
  const std::size_t bound = number_in("/sys/fs/cgroup/memory.max", SIZE_MAX);
  const std::size_t used = number_in("/sys/fs/cgroup/memory.current", 0);
  return bound == SIZE_MAX ? SIZE_MAX : bound - std::min(bound, used);
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

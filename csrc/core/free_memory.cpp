#include "core/free_memory.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace lamina::core {
namespace {

namespace fs = std::filesystem;

/// The number behind the key, in a file with a key a line.
std::size_t number_of(const std::string& key, const fs::path& path, std::size_t otherwise) {
  std::ifstream file(path);
  for (std::string found; file >> found;) {
    std::size_t number = 0;
    if (found == key && file >> number) return number;
    file.ignore(SIZE_MAX >> 1, '\n');
  }
  return otherwise;
}

/// Of a line of /proc/meminfo, in bytes.
std::size_t memory_of(const std::string& key, std::size_t otherwise) {
  constexpr std::size_t kKibibyte = 1024;
  const std::size_t kibibytes = number_of(key, "/proc/meminfo", SIZE_MAX);
  return kibibytes == SIZE_MAX ? otherwise : kibibytes * kKibibyte;
}

std::size_t saturated_sum(std::size_t a, std::size_t b) {
  return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

/// "max" reads as no number.
std::size_t number_in(const fs::path& path, std::size_t otherwise) {
  std::ifstream file(path);
  std::size_t value = 0;
  return file >> value ? value : otherwise;
}

/// What the two versions of control groups call their numbers.
struct Names {
  const char *bound, *used, *cached, *swap, *all;
};
constexpr Names kFirst = {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file",
                          nullptr, "memory.memsw.limit_in_bytes"};
constexpr Names kSecond = {"memory.max", "memory.current", "inactive_file", "memory.swap.max",
                           nullptr};

void take_group(GroupMemory& memory, const Names& names, const fs::path& group) {
  const auto lower = [&](std::size_t& bound, const char* name) {
    if (name != nullptr) bound = std::min(bound, number_in(group / name, SIZE_MAX));
  };
  std::size_t bound = SIZE_MAX;
  lower(bound, names.bound);
  lower(memory.swap, names.swap);
  lower(memory.all, names.all);
  if (bound == SIZE_MAX) return;
  memory.bound = std::min(memory.bound, bound);
  const std::size_t used = number_in(group / names.used, 0);
  // Of files that were read or written, and goes as soon as memory is asked for.
  const std::size_t cached = number_of(names.cached, group / "memory.stat", 0);
  memory.free = std::min(memory.free, bound - std::min(bound, used - std::min(used, cached)));
}

/// A container may see its own group as the root, and be told another path: what is not there says
/// nothing.
void take_groups(GroupMemory& memory, const Names& names, const fs::path& root, fs::path group) {
  for (;; group = group.parent_path()) {
    take_group(memory, names, root / group.relative_path());
    if (!group.has_relative_path()) return;
  }
}

std::atomic<const std::size_t*> replaced = nullptr;

}  // namespace

GroupMemory group_memory(const fs::path& membership, const fs::path& mount) {
  fs::path first, second;
  std::ifstream file(membership);
  for (std::string line; std::getline(file, line);) {  // "4:memory:/a/b", of the second "0::/a/b"
    const std::size_t controllers = line.find(':'), path = line.find(':', controllers + 1);
    if (controllers == line.npos || path == line.npos) continue;
    std::string of(1, ',');
    of.append(line, controllers + 1, path - controllers - 1).append(1, ',');
    if (of == ",,") second = line.substr(path + 1);
    if (of.find(",memory,") != of.npos) first = line.substr(path + 1);
  }
  GroupMemory memory;
  take_groups(memory, kFirst, mount / "memory", first);
  take_groups(memory, kSecond, mount, second);
  return memory;
}

std::size_t free_host_memory() {
  if (const std::size_t* const bytes = replaced) return *bytes;
  return std::min(memory_of("MemAvailable:", SIZE_MAX), group_memory().free);
}

std::size_t host_memory() {
  const std::size_t swap = memory_of("SwapTotal:", 0);
  const GroupMemory group = group_memory();
  return std::min({saturated_sum(memory_of("MemTotal:", SIZE_MAX), swap),
                   saturated_sum(group.bound, std::min(swap, group.swap)), group.all});
}

ReplacedFreeMemory::ReplacedFreeMemory(std::size_t bytes) : bytes_(bytes) {
  replaced = &bytes_;
}

ReplacedFreeMemory::~ReplacedFreeMemory() {
  replaced = nullptr;
}

}  // namespace lamina::core

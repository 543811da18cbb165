#include "core/buffer.h"

#include <lamina/error.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "core/free_memory.h"

namespace lamina::core {
namespace {
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kWorthAsking = std::size_t{1} << 30;  // whether there is so much
}  // namespace

std::shared_ptr<void> allocate_host(std::size_t bytes) {
  const bool large = bytes >= kHugePage;
  const std::size_t alignment = large ? kHugePage : kCacheLine;
  if (bytes > SIZE_MAX - 2 * alignment) throw OutOfMemoryError(bytes);  // rounded up twice
  if (bytes >= kWorthAsking && bytes > host_memory()) throw OutOfMemoryError(bytes);
  const std::size_t rounded =
      std::max((bytes + kCacheLine - 1) / kCacheLine * kCacheLine, kCacheLine);
  void* memory = std::aligned_alloc(alignment, (rounded + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw OutOfMemoryError(bytes);
  // Advice only: where the kernel refuses, the memory is as good, just slower to fault in.
  if (large) (void)madvise(memory, rounded / kHugePage * kHugePage, MADV_HUGEPAGE);
  return {memory, [](void* p) { std::free(p); }};
}

bool is_exclusive(long holders) noexcept {
  if (holders != 1) return false;
  std::atomic_thread_fence(std::memory_order_acquire);
  return true;
}

}  // namespace lamina::core

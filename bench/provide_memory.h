#pragma once
#include <cstdint>
#include <cstring>
#include <memory>

#include "core/buffer.h"

namespace lamina::bench {

/// A virtual machine gets its memory when it first touches it, at a fraction of a disk's speed, and
/// may lose it again: touched just before, it is there for whoever comes next.
inline void provide_memory(std::uint64_t bytes) {
  const std::shared_ptr<void> memory = core::allocate_host(bytes);
  std::memset(memory.get(), 0, bytes);
}

}  // namespace lamina::bench

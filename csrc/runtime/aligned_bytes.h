#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include "core/direct_io.h"

namespace lamina::runtime {

struct Free {
  void operator()(std::byte* bytes) const noexcept { std::free(bytes); }
};
using AlignedBytes = std::unique_ptr<std::byte[], Free>;

/// What page-locking asks for, and O_DIRECT.
inline constexpr std::size_t kPage = core::kDirectAlignment;

/// Uninitialised, page-aligned, whole pages, at least one. Throws std::bad_alloc.
[[nodiscard]] inline AlignedBytes page_aligned(std::size_t bytes) {
  if (bytes > SIZE_MAX - kPage) throw std::bad_alloc();
  const std::size_t rounded = bytes == 0 ? kPage : (bytes + kPage - 1) / kPage * kPage;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(kPage, rounded));
  if (memory == nullptr) throw std::bad_alloc();
  return AlignedBytes(memory);
}

}  // namespace lamina::runtime

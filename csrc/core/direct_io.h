#pragma once
#include <cstddef>

namespace lamina::core {

/// What bytes past the page cache (O_DIRECT) ask for: places in files, sizes and addresses in
/// memory that are multiples of this, a disk's largest block and, on most machines, a page of
/// memory. Where pages, or a file system's blocks, are larger, storage::direct_part keeps to whole
/// ones.
inline constexpr std::size_t kDirectAlignment = 4096;

/// Fewer bytes are not worth it: the page cache is as fast then.
inline constexpr std::size_t kSmallestDirect = std::size_t{1} << 20;

}  // namespace lamina::core

#include "storage/posix_direct.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

namespace lamina::storage {
namespace {

// The largest block of any file system of Linux. What says more speaks of what it likes, such as
// NFS of a megabyte.
constexpr std::size_t kLargestBlock = std::size_t{64} << 10;

/// 64 KiB on some machines.
std::size_t memory_page() {
  static const auto page = static_cast<std::size_t>(std::max(::sysconf(_SC_PAGESIZE), 1L));
  return page;
}

void take_alignment(DirectRules& rules, const struct statx& status) {
#ifdef STATX_DIOALIGN  // since Linux 6.1
  if ((status.stx_mask & STATX_DIOALIGN) == 0) return;
  rules.file = std::max<std::size_t>(rules.file, status.stx_dio_offset_align);
  rules.memory = std::max<std::size_t>(rules.memory, status.stx_dio_mem_align);
  rules.possible = status.stx_dio_offset_align != 0 && std::has_single_bit(rules.file) &&
                   std::has_single_bit(rules.memory);
#else
  (void)rules, (void)status;
#endif
}

unsigned wanted_of_file() {
#ifdef STATX_DIOALIGN
  return STATX_BASIC_STATS | STATX_DIOALIGN;
#else
  return STATX_BASIC_STATS;
#endif
}

}  // namespace

DirectRules direct_rules(int fd) {
  DirectRules rules;
  rules.page = std::max(rules.page, memory_page());
  struct statx status {};
  // What keeps calls from containers may not know this one.
  if (::statx(fd, "", AT_EMPTY_PATH, wanted_of_file(), &status) != 0) return rules;
  take_alignment(rules, status);
  const std::size_t block = status.stx_blksize;
  if (std::has_single_bit(block)) rules.page = std::max(rules.page, std::min(block, kLargestBlock));
  rules.page = std::max(rules.page, rules.file);
  return rules;
}

bool is_aligned(std::uint64_t offset, std::span<const std::byte> bytes, const DirectRules& rules) {
  return bytes.size() >= core::kSmallestDirect && offset % rules.file == 0 &&
         reinterpret_cast<std::uintptr_t>(bytes.data()) % rules.memory == 0;
}

DirectPart direct_part(std::uint64_t offset, std::span<const std::byte> bytes,
                       const DirectRules& rules) {
  const std::size_t page = rules.page;
  const auto begin = static_cast<std::size_t>((page - offset % page) % page);
  if (bytes.size() <= begin) return {};
  const std::size_t size = (bytes.size() - begin) / page * page;
  if (!is_aligned(offset + begin, bytes.subspan(begin, size), rules)) return {};
  return {begin, size};
}

}  // namespace lamina::storage

#include "h5/metadata.h"

#include <algorithm>

namespace lamina::h5 {
namespace {

constexpr std::uint64_t kPage = 8 << 10;
constexpr std::uint64_t kReadAhead = 16;    ///< pages, once reads follow one another
constexpr std::size_t kCachedPages = 1024;  ///< 8 MiB
constexpr std::uint64_t kLargestBlock = 16 << 20;
constexpr std::uint64_t kCallCost = 64;  ///< what a read costs besides its bytes
constexpr std::uint64_t kLeastBudget = 32 << 20;

}  // namespace

Metadata::Metadata(const storage::ReadableFile& file, std::uint64_t base, std::uint64_t size)
    : file_(file),
      base_(base),
      size_(size),
      budget_(kLeastBudget + 8 * std::min<std::uint64_t>(size, std::uint64_t{1} << 40)) {}

void Metadata::charge(std::uint64_t count) {
  const std::uint64_t cost = count + kCallCost;
  if (cost > budget_)
    malformed("its blocks refer to one another more often than the file's size explains");
  budget_ -= cost;
}

std::vector<std::byte> Metadata::read(std::uint64_t address, std::uint64_t count) {
  if (address == kUndefined) malformed("a block with an undefined address");
  if (!holds(address, count)) {
    malformed("{} bytes at address {} reach past the end of the file ({} bytes)", count, address,
              size_);
  }
  if (count > kLargestBlock) malformed("a block of metadata of {} bytes", count);
  charge(count);
  std::vector<std::byte> bytes(count);
  copy(address, bytes);
  return bytes;
}

std::string Metadata::text(std::uint64_t address, std::uint64_t end, std::size_t limit) {
  std::string result;
  end = std::min(end, size_);
  for (;;) {
    if (address >= end) malformed("a name without an end");
    const std::uint64_t inside = address % kPage;
    const std::size_t room = std::min(kPage - inside, end - address);
    const auto* begin = reinterpret_cast<const char*>(page(address / kPage) + inside);
    const std::size_t length = ::strnlen(begin, room);
    if (result.size() + length > limit) malformed("a name of more than {} bytes", limit);
    result.append(begin, length);
    charge(length);
    if (length < room) return result;
    address += room;
  }
}

void Metadata::copy(std::uint64_t address, std::span<std::byte> out) {
  if (out.size() > kReadAhead * kPage) return file_.read_at(base_ + address, out);
  while (!out.empty()) {
    const std::uint64_t inside = address % kPage;
    const std::size_t count = std::min<std::uint64_t>(kPage - inside, out.size());
    std::copy_n(page(address / kPage) + inside, count, out.data());
    address += count;
    out = out.subspan(count);
  }
}

const std::byte* Metadata::page(std::uint64_t index) {
  if (const auto found = pages_.find(index); found != pages_.end()) return found->second.get();
  const bool follows = index != 0 && pages_.contains(index - 1);
  load(index, follows ? kReadAhead : 1);
  return pages_.at(index).get();
}

void Metadata::load(std::uint64_t index, std::uint64_t count) {
  const std::uint64_t begin = index * kPage;
  const std::uint64_t end = std::min(size_, (index + count) * kPage);
  std::vector<std::byte> bytes(end - begin);
  file_.read_at(base_ + begin, bytes);
  if (pages_.size() + count > kCachedPages) pages_.clear();
  for (std::uint64_t at = 0; at < bytes.size(); at += kPage) {
    Page page = std::make_unique<std::byte[]>(kPage);
    std::copy_n(bytes.data() + at, std::min(kPage, bytes.size() - at), page.get());
    pages_.insert_or_assign(index + at / kPage, std::move(page));
  }
}

}  // namespace lamina::h5

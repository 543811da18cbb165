#include "h5/read/metadata.h"

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

Block Metadata::read(std::uint64_t address, std::uint64_t count) {
  if (address == kUndefined) malformed("a block with an undefined address");
  if (!holds(address, count)) {
    malformed("{} bytes at address {} reach past the end of the file ({} bytes)", count, address,
              size_);
  }
  if (count > kLargestBlock) malformed("a block of metadata of {} bytes", count);
  charge(count);
  if (count == 0) return {};
  if (count <= kReadAhead * kPage) {
    const Window& found = window(address);
    if (count <= found.end - address) return {found.bytes, found.from(address).first(count)};
  }
  auto bytes = std::make_shared_for_overwrite<std::byte[]>(count);
  copy(address, {bytes.get(), count});
  const std::span<const std::byte> all(bytes.get(), count);
  return {std::move(bytes), all};
}

std::string Metadata::text(std::uint64_t address, std::uint64_t end, std::size_t limit) {
  std::string result;
  end = std::min(end, size_);
  for (;;) {
    if (address >= end) malformed("a name without an end");
    const auto bytes = window(address).from(address);
    const std::size_t room = std::min<std::uint64_t>(bytes.size(), end - address);
    const auto* begin = reinterpret_cast<const char*>(bytes.data());
    const std::size_t length = ::strnlen(begin, std::min(room, limit + 1));
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
    const auto bytes = window(address).from(address);
    const std::size_t count = std::min(bytes.size(), out.size());
    std::copy_n(bytes.data(), count, out.data());
    address += count;
    out = out.subspan(count);
  }
}

const Metadata::Window& Metadata::window(std::uint64_t address) {
  if (last_.holds(address)) return last_;
  const std::uint64_t page = address / kPage;
  if (const auto found = pages_.find(page); found != pages_.end()) return last_ = found->second;
  const bool follows = page != 0 && pages_.contains(page - 1);
  return last_ = load(page, follows ? kReadAhead : 1);
}

Metadata::Window Metadata::load(std::uint64_t page, std::uint64_t count) {
  const std::uint64_t begin = page * kPage;
  const std::uint64_t end = std::min(size_, (page + count) * kPage);
  auto bytes = std::make_shared_for_overwrite<std::byte[]>(end - begin);
  file_.read_at(base_ + begin, {bytes.get(), static_cast<std::size_t>(end - begin)});
  if (pages_.size() + count > kCachedPages) pages_.clear();
  const Window loaded{std::move(bytes), begin, end};
  for (std::uint64_t at = begin; at < end; at += kPage) {
    pages_.insert_or_assign(at / kPage, loaded);
  }
  return loaded;
}

}  // namespace lamina::h5

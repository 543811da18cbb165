#include "storage/link_or_copy.h"

#include <algorithm>

namespace lamina::storage {

void link_or_copy(const Path& from, const Path& to, Storage& storage) {
  constexpr std::size_t kPart = std::size_t{1} << 20;
  if (storage.link(from, to)) return;
  const auto in = storage.open(from);
  storage.create_like(from, to);
  const auto out = storage.create(to);
  std::vector<std::byte> buffer(kPart);
  for (std::uint64_t at = 0; at < in->size(); at += kPart) {
    const auto part = std::span(buffer).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(kPart, in->size() - at)));
    in->read_at(at, part);
    out->write_at(at, part);
  }
  out->sync();
  out->close();
}

}  // namespace lamina::storage

#include "h5/read/checksum.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "h5/read/malformed.h"

namespace lamina::h5 {
namespace {

struct Jenkins {
  std::uint32_t a, b, c;

  void mix() {
    a -= c, a ^= std::rotl(c, 4), c += b;
    b -= a, b ^= std::rotl(a, 6), a += c;
    c -= b, c ^= std::rotl(b, 8), b += a;
    a -= c, a ^= std::rotl(c, 16), c += b;
    b -= a, b ^= std::rotl(a, 19), a += c;
    c -= b, c ^= std::rotl(b, 4), b += a;
  }
  void finish() {
    c ^= b, c -= std::rotl(b, 14);
    a ^= c, a -= std::rotl(c, 11);
    b ^= a, b -= std::rotl(a, 25);
    c ^= b, c -= std::rotl(b, 16);
    a ^= c, a -= std::rotl(c, 4);
    b ^= a, b -= std::rotl(a, 14);
    c ^= b, c -= std::rotl(b, 24);
  }
  /// Adds up to twelve bytes; what is missing counts as zeros.
  void add(std::span<const std::byte> bytes) {
    std::uint32_t words[3] = {};
    if (!bytes.empty()) std::memcpy(words, bytes.data(), bytes.size());
    a += words[0], b += words[1], c += words[2];
  }
};

}  // namespace

std::uint32_t metadata_checksum(std::span<const std::byte> bytes) {
  const std::uint32_t start = 0xdeadbeef + static_cast<std::uint32_t>(bytes.size());
  Jenkins state{start, start, start};
  if (bytes.empty()) return state.c;
  for (; bytes.size() > 12; bytes = bytes.subspan(12)) {
    state.add(bytes.first(12));
    state.mix();
  }
  state.add(bytes);
  state.finish();
  return state.c;
}

std::uint32_t fletcher32(std::span<const std::byte> bytes) {
  constexpr std::size_t kBytesBeforeOverflow = 720;
  std::uint32_t low = 0, high = 0;
  // Folding, unlike a remainder, leaves 65535 as it is: HDF5's sums do too.
  const auto fold = [](std::uint32_t sum) { return (sum & 0xffff) + (sum >> 16); };
  while (!bytes.empty()) {
    const auto block = bytes.first(std::min(kBytesBeforeOverflow, bytes.size()));
    bytes = bytes.subspan(block.size());
    for (std::size_t i = 0; i < block.size(); i += 2) {
      const auto second = i + 1 < block.size() ? std::to_integer<std::uint32_t>(block[i + 1]) : 0;
      low += std::to_integer<std::uint32_t>(block[i]) << 8 | second;
      high += low;
    }
    low = fold(low);
    high = fold(high);
  }
  return fold(high) << 16 | fold(low);
}

std::span<const std::byte> verified(std::span<const std::byte> block, const char* what) {
  if (block.size() < 4) malformed("{} is too short for its checksum", what);
  const auto body = block.first(block.size() - 4);
  std::uint32_t stored;
  std::memcpy(&stored, body.data() + body.size(), 4);
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
  return body;  // a fuzzer would not get past it
#endif
  if (stored != metadata_checksum(body)) malformed("the checksum of {} does not match", what);
  return body;
}

}  // namespace lamina::h5

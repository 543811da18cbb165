#include "core/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

#include "core/crc32c_math.h"
#include "core/crc32c_x86.h"

namespace lamina::core {
namespace {

using crc32c_math::kPolynomial;

/// Row k: the effect of a byte that k bytes follow.
using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

consteval Tables make_tables() {
  Tables out{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t state = byte;
    for (int bit = 0; bit < 8; ++bit) {
      state = (state >> 1) ^ ((state & 1) != 0 ? kPolynomial : 0);
    }
    out[0][byte] = state;
  }
  for (std::size_t row = 1; row < out.size(); ++row) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = out[row - 1][byte];
      out[row][byte] = (before >> 8) ^ out[0][before & 0xff];
    }
  }
  return out;
}

constexpr Tables kTables = make_tables();

std::uint32_t with_table(std::uint32_t state, const std::byte* bytes, std::size_t size) {
  static_assert(std::endian::native == std::endian::little);
  for (; size >= 8; bytes += 8, size -= 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    word ^= state;
    state = 0;
    for (std::size_t i = 0; i < 8; ++i) state ^= kTables[7 - i][(word >> (8 * i)) & 0xff];
  }
  for (; size > 0; ++bytes, --size) {
    state = (state >> 8) ^ kTables[0][(state ^ std::to_integer<std::uint32_t>(*bytes)) & 0xff];
  }
  return state;
}

Crc32cMethod best_method() {
  if (crc32c_x86::has_wide()) return Crc32cMethod::kWide;
  if (crc32c_x86::has_paired()) return Crc32cMethod::kPaired;
  if (crc32c_x86::has_instructions()) return Crc32cMethod::kInstructions;
  return Crc32cMethod::kTable;
}

}  // namespace

bool has_crc32c(Crc32cMethod method) {
  switch (method) {
    case Crc32cMethod::kTable:
      return true;
    case Crc32cMethod::kInstructions:
      return crc32c_x86::has_instructions();
    case Crc32cMethod::kPaired:
      return crc32c_x86::has_paired();
    case Crc32cMethod::kWide:
      return crc32c_x86::has_wide();
  }
  __builtin_unreachable();
}

std::uint32_t crc32c_by(Crc32cMethod method, std::span<const std::byte> bytes,
                        std::uint32_t before) {
  const std::uint32_t state = ~before;
  switch (method) {
    case Crc32cMethod::kTable:
      return ~with_table(state, bytes.data(), bytes.size());
    case Crc32cMethod::kInstructions:
      return ~crc32c_x86::with_instructions(state, bytes.data(), bytes.size());
    case Crc32cMethod::kPaired:
      return ~crc32c_x86::with_paired(state, bytes.data(), bytes.size());
    case Crc32cMethod::kWide:
      return ~crc32c_x86::with_wide(state, bytes.data(), bytes.size());
  }
  __builtin_unreachable();
}

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before) {
  static const Crc32cMethod kBest = best_method();
  return crc32c_by(kBest, bytes, before);
}

std::uint32_t crc32c_combine(std::uint32_t a, std::uint32_t b, std::uint64_t b_size) {
  constexpr std::size_t kBitsOfByte = 3;  // 2^3
  return crc32c_math::times_power(a, b_size, kBitsOfByte) ^ b;
}

}  // namespace lamina::core

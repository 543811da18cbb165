#pragma once
#include <array>
#include <cstdint>

namespace lamina::kernels {

inline constexpr int kPhiloxRounds = 10;

/// One round on a counter (c0, c1, c2, c3).
constexpr void philox_round(std::uint32_t& c0, std::uint32_t& c1, std::uint32_t& c2,
                            std::uint32_t& c3, std::uint32_t key0, std::uint32_t key1) {
  const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c0;
  const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * c2;
  c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ key0;
  c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ key1;
  c1 = static_cast<std::uint32_t>(p1);
  c3 = static_cast<std::uint32_t>(p0);
}

constexpr void philox_next_key(std::uint32_t& key0, std::uint32_t& key1) {
  key0 += 0x9E3779B9;
  key1 += 0xBB67AE85;
}

/// Philox4x32-10 (Salmon et al., 2011): 128 random bits from a counter and a key. Counter-based, so
/// any part of a stream can be made on any thread without the parts before it.
[[nodiscard]] constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                                            std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < kPhiloxRounds; ++round) {
    philox_round(counter[0], counter[1], counter[2], counter[3], key[0], key[1]);
    philox_next_key(key[0], key[1]);
  }
  return counter;
}

}  // namespace lamina::kernels

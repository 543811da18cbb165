#pragma once
#include <array>
#include <cstdint>

// Polynomials over GF(2) modulo that of CRC-32C, in the order of the checksum's bits: x^0 is the
// highest bit.
namespace lamina::core::crc32c_math {

inline constexpr std::uint32_t kPolynomial = 0x82f63b78;

[[nodiscard]] constexpr std::uint32_t multiply(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (std::uint32_t bit = std::uint32_t{1} << 31; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = (b >> 1) ^ ((b & 1) != 0 ? kPolynomial : 0);
  }
  return product;
}

/// x to the powers 2^0, 2^1, ...: enough for the bits of any number of bytes.
[[nodiscard]] consteval std::array<std::uint32_t, 67> make_powers() {
  std::array<std::uint32_t, 67> out{std::uint32_t{1} << 30};
  for (std::size_t i = 1; i < out.size(); ++i) out[i] = multiply(out[i - 1], out[i - 1]);
  return out;
}
inline constexpr auto kPowers = make_powers();

/// `a` times x to the power n * 2^shift.
[[nodiscard]] constexpr std::uint32_t times_power(std::uint32_t a, std::uint64_t n,
                                                  std::size_t shift = 0) {
  for (; n != 0; n >>= 1, ++shift) {
    if ((n & 1) != 0) a = multiply(kPowers[shift], a);
  }
  return a;
}

/// x^n as a carry-less multiplication of 64 bits takes it.
[[nodiscard]] constexpr std::uint64_t power(std::uint64_t n) {
  return std::uint64_t{times_power(std::uint32_t{1} << 31, n)} << 1;
}

}  // namespace lamina::core::crc32c_math

#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace lamina::core {

/// CRC-32C (Castagnoli's, as in RFC 3720) of `bytes`, or of what had `before` followed by them.
/// Takes what instructions the processor has, which is tens of GB/s for bytes in its caches.
[[nodiscard]] std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before = 0);

/// The checksum of A followed by B, from theirs and the length of B.
[[nodiscard]] std::uint32_t crc32c_combine(std::uint32_t a, std::uint32_t b, std::uint64_t b_size);

/// Ways to compute it; all give the same.
enum class Crc32cMethod : std::uint8_t {
  kTable,         ///< everywhere
  kInstructions,  ///< SSE4.2 and PCLMULQDQ
  kPaired,        ///< AVX2 and VPCLMULQDQ, and the CRC32 instruction beside them
  kWide,          ///< AVX-512 and VPCLMULQDQ
};
[[nodiscard]] bool has_crc32c(Crc32cMethod method);
/// By a method that `has_crc32c`.
[[nodiscard]] std::uint32_t crc32c_by(Crc32cMethod method, std::span<const std::byte> bytes,
                                      std::uint32_t before = 0);

}  // namespace lamina::core

#include "core/crc32c_x86.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>

#include "core/crc32c_math.h"

// Folding (Gopal et al., "Fast CRC computation for generic polynomials using PCLMULQDQ"): a block
// of 128 bits that d bits follow counts as much as its two halves times x^(d + 32) and x^(d - 32)
// at that place. So blocks are added to others further on until 16 bytes are left.
#define LAMINA_TARGET(features) __attribute__((target(features)))
#define LAMINA_INSTRUCTIONS LAMINA_TARGET("sse4.2,pclmul")
#define LAMINA_PAIRED LAMINA_TARGET("avx2,vpclmulqdq,sse4.2,pclmul")
#define LAMINA_WIDE LAMINA_TARGET("avx512f,avx512dq,avx512vl,vpclmulqdq,sse4.2,pclmul")

namespace lamina::core::crc32c_x86 {
namespace {

constexpr std::size_t kBlock = 16, kPair = 32, kWideBlock = 64, kLanes = 4;

// Made by the compiler: made at each call they cost as much as the checksum of 50 KiB.
template <std::uint64_t distance>
constexpr auto kLow = static_cast<long long>(crc32c_math::power(distance + 32));
template <std::uint64_t distance>
constexpr auto kHigh = static_cast<long long>(crc32c_math::power(distance - 32));

LAMINA_INSTRUCTIONS inline std::uint32_t bytewise(std::uint64_t state, const std::byte* bytes,
                                                  std::size_t size) {
  for (; size >= 8; bytes += 8, size -= 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    state = _mm_crc32_u64(state, word);
  }
  auto rest = static_cast<std::uint32_t>(state);
  for (; size > 0; ++bytes, --size) {
    rest = _mm_crc32_u8(rest, std::to_integer<unsigned char>(*bytes));
  }
  return rest;
}

LAMINA_INSTRUCTIONS inline __m128i load(const std::byte* bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}

LAMINA_INSTRUCTIONS inline __m128i fold(__m128i block, __m128i powers) {
  return _mm_xor_si128(_mm_clmulepi64_si128(block, powers, 0x00),
                       _mm_clmulepi64_si128(block, powers, 0x11));
}

LAMINA_INSTRUCTIONS inline std::uint64_t reduce(__m128i block) {
  const auto first = static_cast<std::uint64_t>(_mm_cvtsi128_si64(block));
  const auto second = static_cast<std::uint64_t>(_mm_extract_epi64(block, 1));
  return _mm_crc32_u64(_mm_crc32_u64(0, first), second);
}

/// What the register holds when `bytes` of zeros follow.
template <std::uint64_t bytes>
LAMINA_INSTRUCTIONS inline std::uint32_t move(std::uint32_t state) {
  const __m128i product = _mm_clmulepi64_si128(
      _mm_cvtsi32_si128(static_cast<int>(state)),
      _mm_cvtsi64_si128(static_cast<long long>(crc32c_math::power(bytes * 8 - 32))), 0x00);
  return static_cast<std::uint32_t>(
      _mm_crc32_u64(0, static_cast<std::uint64_t>(_mm_cvtsi128_si64(product))));
}

/// Three parts in a row, summed side by side: the CRC32 instruction takes eight bytes a cycle, and
/// three cycles for each. It has units of its own, and so works beside the folding of other bytes.
template <std::size_t part_bytes>
class ThreeParts {
 public:
  explicit ThreeParts(const std::byte* bytes) : bytes_(bytes) {}

  /// `words` more of each.
  template <std::size_t words>
  LAMINA_INSTRUCTIONS inline void take() {
    for (std::size_t i = 0; i < words; ++i, bytes_ += sizeof(std::uint64_t)) {
      first_ = _mm_crc32_u64(first_, word(bytes_));
      second_ = _mm_crc32_u64(second_, word(bytes_ + part_bytes));
      third_ = _mm_crc32_u64(third_, word(bytes_ + 2 * part_bytes));
    }
  }
  /// Of all three, behind bytes that left `before`.
  LAMINA_INSTRUCTIONS inline std::uint32_t sum(std::uint32_t before) const {
    return move<3 * part_bytes>(before) ^ move<2 * part_bytes>(static_cast<std::uint32_t>(first_)) ^
           move<part_bytes>(static_cast<std::uint32_t>(second_)) ^
           static_cast<std::uint32_t>(third_);
  }

 private:
  static std::uint64_t word(const std::byte* bytes) {
    std::uint64_t out;
    std::memcpy(&out, bytes, sizeof out);
    return out;
  }

  const std::byte* bytes_;
  std::uint64_t first_ = 0, second_ = 0, third_ = 0;
};

LAMINA_PAIRED inline __m256i load_pair(const std::byte* bytes) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
}

LAMINA_PAIRED inline __m256i fold(__m256i pair, __m256i powers, __m256i next) {
  return _mm256_xor_si256(_mm256_xor_si256(_mm256_clmulepi64_epi128(pair, powers, 0x00),
                                           _mm256_clmulepi64_epi128(pair, powers, 0x11)),
                          next);
}

template <std::uint64_t distance>
LAMINA_PAIRED inline __m256i powers_of_pair() {
  constexpr long long kFirst = kHigh<distance>, kSecond = kLow<distance>;
  return _mm256_set_epi64x(kFirst, kSecond, kFirst, kSecond);
}

LAMINA_WIDE inline __m512i load_wide(const std::byte* bytes) {
  return _mm512_loadu_si512(bytes);
}

/// `block` folded onto `next`.
LAMINA_WIDE inline __m512i fold(__m512i block, __m512i powers, __m512i next) {
  constexpr int kXorOfThree = 0x96;
  return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(block, powers, 0x00),
                                   _mm512_clmulepi64_epi128(block, powers, 0x11), next,
                                   kXorOfThree);
}

template <std::uint64_t distance>
LAMINA_WIDE inline __m512i powers_wide() {
  constexpr long long kFirst = kHigh<distance>, kSecond = kLow<distance>;
  return _mm512_set_epi64(kFirst, kSecond, kFirst, kSecond, kFirst, kSecond, kFirst, kSecond);
}

/// The four blocks of 128 bits added at the place of the last.
LAMINA_WIDE inline __m128i narrow(__m512i block) {
  const __m512i powers =
      _mm512_set_epi64(0, 0, kHigh<128>, kLow<128>, kHigh<256>, kLow<256>, kHigh<384>, kLow<384>);
  const __m512i last = _mm512_maskz_mov_epi64(0xc0, block);
  const __m512i sum = fold(block, powers, last);
  alignas(kWideBlock) __m128i parts[kLanes];
  _mm512_store_si512(parts, sum);
  return _mm_xor_si128(_mm_xor_si128(parts[0], parts[1]), _mm_xor_si128(parts[2], parts[3]));
}

}  // namespace

bool has_instructions() {
  return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}

bool has_paired() {
  return has_instructions() && __builtin_cpu_supports("avx2") &&
         __builtin_cpu_supports("vpclmulqdq");
}

bool has_wide() {
  return has_instructions() && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("vpclmulqdq");
}

LAMINA_INSTRUCTIONS std::uint32_t with_instructions(std::uint32_t state, const std::byte* bytes,
                                                    std::size_t size) {
  constexpr std::size_t kStep = kLanes * kBlock;
  if (size < kStep) return bytewise(state, bytes, size);
  __m128i lanes[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) lanes[i] = load(bytes + i * kBlock);
  lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi32_si128(static_cast<int>(state)));
  const __m128i step = _mm_set_epi64x(kHigh<kStep * 8>, kLow<kStep * 8>);
  for (bytes += kStep, size -= kStep; size >= kStep; bytes += kStep, size -= kStep) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      lanes[i] = _mm_xor_si128(fold(lanes[i], step), load(bytes + i * kBlock));
    }
  }
  const __m128i one = _mm_set_epi64x(kHigh<kBlock * 8>, kLow<kBlock * 8>);
  __m128i sum = lanes[0];
  for (std::size_t i = 1; i < kLanes; ++i) sum = _mm_xor_si128(fold(sum, one), lanes[i]);
  return bytewise(reduce(sum), bytes, size);
}

/// Four streams at once are more than processors fetch ahead of by themselves.
template <std::size_t chunk>
inline void prefetch(const std::byte* bytes, std::size_t round) {
  constexpr std::size_t kLine = 64, kLines = 4;
  for (std::size_t i = 0; i < kLines; ++i) {
    _mm_prefetch(reinterpret_cast<const char*>(bytes + chunk + (round * kLines + i) * kLine),
                 _MM_HINT_T0);
  }
}

LAMINA_PAIRED std::uint32_t with_paired(std::uint32_t state, const std::byte* bytes,
                                        std::size_t size) {
  constexpr std::size_t kStep = kLanes * kPair;  // what is folded in a round,
  constexpr std::size_t kWords = 5;              // and what CRC32 takes of each part
  constexpr std::size_t kRounds = 32;            // of a chunk that stays in the L1 cache
  constexpr std::size_t kPart = kRounds * kWords * 8;
  constexpr std::size_t kChunk = kRounds * kStep + 3 * kPart;
  const __m256i step = powers_of_pair<kStep * 8>(), one = powers_of_pair<kPair * 8>();
  const __m128i last = _mm_set_epi64x(kHigh<kBlock * 8>, kLow<kBlock * 8>);
  for (; size >= kChunk; bytes += kChunk, size -= kChunk) {
    ThreeParts<kPart> parts(bytes + kRounds * kStep);
    __m256i lanes[kLanes];
    for (std::size_t i = 0; i < kLanes; ++i) lanes[i] = load_pair(bytes + i * kPair);
    lanes[0] = _mm256_xor_si256(lanes[0],
                                _mm256_zextsi128_si256(_mm_cvtsi32_si128(static_cast<int>(state))));
    parts.take<kWords>();
    for (std::size_t round = 1; round < kRounds; ++round) {
      const std::byte* const at = bytes + round * kStep;
      prefetch<kChunk>(bytes, round);
      for (std::size_t i = 0; i < kLanes; ++i) {
        lanes[i] = fold(lanes[i], step, load_pair(at + i * kPair));
      }
      parts.take<kWords>();
    }
    __m256i sum = lanes[0];
    for (std::size_t i = 1; i < kLanes; ++i) sum = fold(sum, one, lanes[i]);
    const __m128i whole =
        _mm_xor_si128(fold(_mm256_castsi256_si128(sum), last), _mm256_extracti128_si256(sum, 1));
    state = parts.sum(static_cast<std::uint32_t>(reduce(whole)));
  }
  return with_instructions(state, bytes, size);
}

LAMINA_WIDE std::uint32_t with_wide(std::uint32_t state, const std::byte* bytes, std::size_t size) {
  constexpr std::size_t kStep = kLanes * kWideBlock;
  if (size < kStep) return with_instructions(state, bytes, size);
  __m512i lanes[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) lanes[i] = load_wide(bytes + i * kWideBlock);
  lanes[0] = _mm512_xor_si512(lanes[0],
                              _mm512_zextsi128_si512(_mm_cvtsi32_si128(static_cast<int>(state))));
  const __m512i step = powers_wide<kStep * 8>();
  for (bytes += kStep, size -= kStep; size >= kStep; bytes += kStep, size -= kStep) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      lanes[i] = fold(lanes[i], step, load_wide(bytes + i * kWideBlock));
    }
  }
  const __m512i one = powers_wide<kWideBlock * 8>();
  __m512i sum = lanes[0];
  for (std::size_t i = 1; i < kLanes; ++i) sum = fold(sum, one, lanes[i]);
  for (; size >= kWideBlock; bytes += kWideBlock, size -= kWideBlock) {
    sum = fold(sum, one, load_wide(bytes));
  }
  return bytewise(reduce(narrow(sum)), bytes, size);
}

}  // namespace lamina::core::crc32c_x86

#else

namespace lamina::core::crc32c_x86 {

bool has_instructions() {
  return false;
}
bool has_paired() {
  return false;
}
bool has_wide() {
  return false;
}
std::uint32_t with_instructions(std::uint32_t, const std::byte*, std::size_t) {
  __builtin_unreachable();
}
std::uint32_t with_paired(std::uint32_t, const std::byte*, std::size_t) {
  __builtin_unreachable();
}
std::uint32_t with_wide(std::uint32_t, const std::byte*, std::size_t) {
  __builtin_unreachable();
}

}  // namespace lamina::core::crc32c_x86

#endif

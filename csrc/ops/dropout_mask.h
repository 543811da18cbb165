#pragma once
#include <array>
#include <cstdint>

#include "kernels/philox.h"
#include "ops/spec.h"

namespace lamina::ops {

/// What 24 bits of a word are held against: a rate that can be exact in float32 too.
[[nodiscard]] inline std::uint32_t dropout_threshold(double rate) {
  return static_cast<std::uint32_t>(rate * (1U << 24) + 0.5);
}

/// Which elements a Dropout keeps: four a Philox call, keyed by the seed and counted by position,
/// stream and step. Any part can be had on any thread.
class DropoutMask {
 public:
  /// `state`: a seed and a counter.
  DropoutMask(const Dropout& op, const std::uint64_t* state)
      : key_{low(state[0]), high(state[0])},
        step_{low(state[1]), high(state[1])},
        stream_(op.stream),
        threshold_(dropout_threshold(op.rate)) {}

  [[nodiscard]] bool keeps(std::int64_t element) const {
    const auto words = kernels::philox(
        {static_cast<std::uint32_t>(element / 4), stream_, step_[0], step_[1]}, key_);
    return kept(words[static_cast<std::size_t>(element % 4)]);
  }

  /// words[k][i]: what decides on element 4 * (first + i) + k, for `kCount` blocks at once.
  template <std::int64_t kCount>
  __attribute__((always_inline)) void words(std::int64_t first,
                                            std::uint32_t (&words)[4][kCount]) const {
#pragma omp simd
    for (std::int64_t i = 0; i < kCount; ++i) {
      words[0][i] = static_cast<std::uint32_t>(first + i);
      words[1][i] = stream_;
      words[2][i] = step_[0];
      words[3][i] = step_[1];
    }
    std::array<std::uint32_t, 2> key = key_;
    for (int round = 0; round < kernels::kPhiloxRounds; ++round) {
#pragma omp simd
      for (std::int64_t i = 0; i < kCount; ++i) {
        kernels::philox_round(words[0][i], words[1][i], words[2][i], words[3][i], key[0], key[1]);
      }
      kernels::philox_next_key(key[0], key[1]);
    }
  }
  [[nodiscard]] bool kept(std::uint32_t word) const {
    return (word >> 8) >= threshold_;
  }

 private:
  static std::uint32_t low(std::uint64_t value) {
    return static_cast<std::uint32_t>(value);
  }
  static std::uint32_t high(std::uint64_t value) {
    return static_cast<std::uint32_t>(value >> 32);
  }

  std::array<std::uint32_t, 2> key_, step_;
  std::uint32_t stream_, threshold_;
};

}  // namespace lamina::ops

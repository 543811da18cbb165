#pragma once
#include <array>
#include <cstdint>

#include "kernels/philox.h"
#include "ops/spec.h"

namespace lamina::ops {

/// Which elements a Dropout keeps: four a Philox call, keyed by the seed and counted by position,
/// stream and step. Any part can be had on any thread.
class DropoutMask {
 public:
  /// `state`: a seed and a counter.
  DropoutMask(const Dropout& op, const std::uint64_t* state)
      : key_{low(state[0]), high(state[0])},
        step_{low(state[1]), high(state[1])},
        stream_(op.stream),
        // 24 bits of a word against the rate: it can be exact in float32 too.
        threshold_(static_cast<std::uint32_t>(op.rate * (1U << 24) + 0.5)) {}

  /// Whether the elements 4 * block to 4 * block + 3 are kept.
  [[nodiscard]] std::array<bool, 4> block(std::int64_t block) const {
    const auto bits =
        kernels::philox({static_cast<std::uint32_t>(block), stream_, step_[0], step_[1]}, key_);
    return {kept(bits[0]), kept(bits[1]), kept(bits[2]), kept(bits[3])};
  }
  [[nodiscard]] bool keeps(std::int64_t element) const {
    return block(element / 4)[static_cast<std::size_t>(element % 4)];
  }

 private:
  static std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
  static std::uint32_t high(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }
  [[nodiscard]] bool kept(std::uint32_t word) const { return (word >> 8) >= threshold_; }

  std::array<std::uint32_t, 2> key_, step_;
  std::uint32_t stream_, threshold_;
};

}  // namespace lamina::ops

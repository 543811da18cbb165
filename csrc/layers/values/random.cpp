#include "layers/values/random.h"

#include <lamina/layer.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <mutex>
#include <numbers>
#include <random>

#include "core/forked_along.h"
#include "kernels/philox.h"

namespace lamina {
namespace layers {
namespace {

struct GlobalGenerator {
  std::mutex mutex;
  std::uint64_t seed = (std::uint64_t{std::random_device{}()} << 32) | std::random_device{}();
  std::uint64_t next = 0;
};

GlobalGenerator& global_generator() {
  return core::ForkedAlong<GlobalGenerator>::get();
}

constexpr std::size_t kBlock = 4096;  // elements made at a time; a multiple of 4
constexpr std::ptrdiff_t kParallelBlocks = 16;

// Uniform in [0, 1), 24 bits. Elements [first, first + count) of the stream; `first` is a multiple
// of 4.
void draw_uniform(RandomStream stream, std::size_t first, std::size_t count, float* out) {
  const std::array<std::uint32_t, 2> key{static_cast<std::uint32_t>(stream.key),
                                         static_cast<std::uint32_t>(stream.key >> 32)};
  for (std::size_t i = 0; i < count; i += 4) {
    const std::uint64_t position = (first + i) / 4;
    const auto bits = kernels::philox(
        {static_cast<std::uint32_t>(position), static_cast<std::uint32_t>(position >> 32),
         static_cast<std::uint32_t>(stream.stream),
         static_cast<std::uint32_t>(stream.stream >> 32)},
        key);
    for (std::size_t k = 0; k < 4; ++k) out[i + k] = static_cast<float>(bits[k] >> 8) * 0x1p-24F;
  }
}

// Calls `shape(uniforms, count)` on blocks of uniforms, in parallel, and copies what it leaves
// there.
template <class Transform>
void fill(RandomStream stream, std::span<float> out, const Transform& transform) {
  const auto blocks = static_cast<std::ptrdiff_t>((out.size() + kBlock - 1) / kBlock);
#pragma omp parallel for schedule(static) if (blocks >= kParallelBlocks)
  for (std::ptrdiff_t block = 0; block < blocks; ++block) {
    alignas(64) std::array<float, kBlock> values;
    const std::size_t first = static_cast<std::size_t>(block) * kBlock;
    const std::size_t count = std::min(kBlock, out.size() - first);
    draw_uniform(stream, first, (count + 3) / 4 * 4, values.data());
    transform(std::span<float>(values.data(), (count + 3) / 4 * 4));
    std::copy_n(values.data(), count, out.data() + first);
  }
}

// Natural logarithm of a positive normal float; relative error below 2e-7. Branch-free, so that
// loops over it vectorise.
inline float fast_log(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  // Mantissa in [sqrt(1/2), sqrt(2)).
  const std::uint32_t shifted = bits - 0x3F3504F3U;
  const auto exponent = static_cast<float>(static_cast<std::int32_t>(shifted) >> 23);
  const float m = std::bit_cast<float>((shifted & 0x007FFFFFU) + 0x3F3504F3U) - 1.0F;
  const float s = m / (2.0F + m);
  const float s2 = s * s;
  const float series =
      2.0F + s2 * (0.66666667F + s2 * (0.4F + s2 * (0.28571430F + s2 * 0.22222222F)));
  return exponent * std::numbers::ln2_v<float> + s * series;
}

// sqrt(2) * erfinv(x) for |x| <= 0.96: the central branch of M. Giles, "Approximating the erfinv
// function" (2012).
inline float normal_quantile(float x) {
  const float w = -fast_log((1.0F - x) * (1.0F + x)) - 2.5F;
  float p = 2.81022636e-08F;
  p = 3.43273939e-07F + p * w;
  p = -3.5233877e-06F + p * w;
  p = -4.39150654e-06F + p * w;
  p = 0.00021858087F + p * w;
  p = -0.00125372503F + p * w;
  p = -0.00417768164F + p * w;
  p = 0.246640727F + p * w;
  p = 1.50140941F + p * w;
  return std::numbers::sqrt2_v<float> * p * x;
}

}  // namespace

RandomStream next_random_stream() {
  GlobalGenerator& generator = global_generator();
  const std::lock_guard lock(generator.mutex);
  return {generator.seed, generator.next++};
}

void fill_uniform(RandomStream stream, double low, double high, std::span<float> out) {
  const auto base = static_cast<float>(low);
  const auto width = static_cast<float>(high - low);
  // Rounding may reach `high` itself, which the range leaves out.
  const float last = std::max(base, std::nextafter(static_cast<float>(high), base));
  fill(stream, out, [=](std::span<float> block) {
    for (float& x : block) x = std::min(base + width * x, last);
  });
}

void fill_normal(RandomStream stream, double mean, double stddev, std::span<float> out) {
  const auto m = static_cast<float>(mean);
  const auto s = static_cast<float>(stddev);
  fill(stream, out, [=](std::span<float> block) {  // Box and Muller
    for (std::size_t i = 0; i < block.size(); i += 2) {
      const float radius = s * std::sqrt(-2.0F * fast_log(1.0F - block[i]));
      const float angle = 2.0F * std::numbers::pi_v<float> * block[i + 1];
      block[i] = m + radius * std::cos(angle);
      block[i + 1] = m + radius * std::sin(angle);
    }
  });
}

void fill_truncated_normal(RandomStream stream, double mean, double stddev, std::span<float> out) {
  const auto m = static_cast<float>(mean);
  const auto s = static_cast<float>(stddev);
  const auto reach = static_cast<float>(std::erf(std::numbers::sqrt2));  // P(|z| < 2)
  fill(stream, out, [=](std::span<float> block) {
    for (float& x : block) {
      const float z = normal_quantile(reach * (2.0F * x - 1.0F));
      x = m + s * std::clamp(z, -2.0F, 2.0F);
    }
  });
}

}  // namespace layers

void set_random_seed(std::uint64_t seed) {
  layers::GlobalGenerator& generator = layers::global_generator();
  const std::lock_guard lock(generator.mutex);
  generator.seed = seed;
  generator.next = 0;
}

}  // namespace lamina

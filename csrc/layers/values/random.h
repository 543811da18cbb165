#pragma once
#include <cstdint>
#include <span>
#include <utility>

namespace lamina::layers {

/// A random sequence: key and stream of the generator.
struct RandomStream {
  std::uint64_t key, stream;
};

/// The next stream of the global generator.
[[nodiscard]] RandomStream next_random_stream();

// Element i depends on the stream and on i only, not on the number of threads.

/// Uniform in [low, high).
void fill_uniform(RandomStream stream, double low, double high, std::span<float> out);
void fill_normal(RandomStream stream, double mean, double stddev, std::span<float> out);
/// Normal, conditioned on lying within two standard deviations of the mean.
void fill_truncated_normal(RandomStream stream, double mean, double stddev, std::span<float> out);

}  // namespace lamina::layers

#pragma once
#include <algorithm>
#include <cstdlib>
#include <random>
#include <vector>

namespace lamina::testing {

/// How many damaged files a test tries that would try `all`: those, or at most
/// LAMINA_DAMAGE_SAMPLES. Sanitizers, under which each takes many times as long, see the same code
/// in a few of them.
inline std::size_t damage_samples(std::size_t all) {
  const char* given = std::getenv("LAMINA_DAMAGE_SAMPLES");
  if (given == nullptr) return all;
  return std::min(all, std::max<std::size_t>(1, std::strtoul(given, nullptr, 10)));
}

/// Of the numbers below `end` about as many as that, evenly spread: every one, or every so many
/// from a random one on.
inline std::vector<std::size_t> damage_places(std::size_t end, std::mt19937& random) {
  std::vector<std::size_t> out;
  if (end == 0) return out;
  const std::size_t samples = damage_samples(end), step = (end + samples - 1) / samples;
  for (std::size_t at = random() % step; at < end; at += step) out.push_back(at);
  return out;
}

}  // namespace lamina::testing

#pragma once
#include <atomic>
#include <cstdlib>
#include <random>

namespace lamina::test {

/// Where a test's random inputs begin: another seed at each call, which the test says when it
/// fails. With LAMINA_TEST_SEED=N the first call in a process gives N, the next N + 1 and so on.
inline unsigned fresh_seed() {
  static const char* const fixed = std::getenv("LAMINA_TEST_SEED");
  static std::atomic<unsigned> calls = 0;
  if (fixed == nullptr) return std::random_device{}();
  return static_cast<unsigned>(std::strtoul(fixed, nullptr, 10)) + calls++;
}

}  // namespace lamina::test

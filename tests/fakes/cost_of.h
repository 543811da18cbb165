#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <stdexcept>
#include <string>

namespace lamina::testing {

/// What a call took: time, and by how much the process's resident memory rose at its highest.
struct Cost {
  double seconds;
  double megabytes;
};

inline double resident_megabytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != field) continue;
    double kilobytes = 0;
    status >> kilobytes;
    return kilobytes / 1000;
  }
  throw std::runtime_error("/proc/self/status has no " + field);
}

template <class F>
Cost cost_of(F&& call) {
  std::ofstream peak("/proc/self/clear_refs");  // 5 sets the high-water mark to what is in use now
  if (!(peak << "5" << std::flush)) throw std::runtime_error("the peak of memory cannot be reset");
  const double before = resident_megabytes("VmRSS:");
  const auto start = std::chrono::steady_clock::now();
  call();
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  return {time.count(), resident_megabytes("VmHWM:") - before};
}

/// Sanitizers slow a program down and keep what it frees.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr Cost kMostForBadInput{10, 1000};
#else
inline constexpr Cost kMostForBadInput{1, 100};
#endif

/// Megabytes by which a heap may breathe: a thousand saves that leaked 4 KB each would be seen.
/// AddressSanitizer keeps up to 256 MB of what is freed, and has a checker of leaks of its own;
/// ThreadSanitizer remembers, in memory of the process, who touched what.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr double kHeapNoise = 256;
#else
inline constexpr double kHeapNoise = 4;
#endif

inline void expect_at_most(const Cost& cost, const Cost& limit) {
  EXPECT_LT(cost.seconds, limit.seconds);
  EXPECT_LT(cost.megabytes, limit.megabytes);
}

}  // namespace lamina::testing

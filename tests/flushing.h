#pragma once
#include <omp.h>

#include <functional>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

// How threads treat denormal numbers, asked of the processor itself.
namespace lamina::testing {

#if defined(__x86_64__)
inline constexpr unsigned kFlushing = 0x8040;  // of results, and of operands

inline bool flushes() {
  return (_mm_getcsr() & kFlushing) == kFlushing;
}

inline void set_flushing(bool on) {
  _mm_setcsr(on ? _mm_getcsr() | kFlushing : _mm_getcsr() & ~kFlushing);
}
#else
inline bool flushes() {
  return false;
}

inline void set_flushing(bool) {}
#endif

/// Runs `test` on a thread whose pool is yet to be made, as all of a process once are.
inline constexpr int kThreadsOfThePool = 3;
inline void on_a_new_thread(const std::function<void()>& test) {
  std::thread thread([&] {
    omp_set_dynamic(0);
    omp_set_num_threads(kThreadsOfThePool);
    test();
  });
  thread.join();
}

/// Whether each of so many threads flushes, as a region of the user's finds them.
inline std::vector<bool> pool_flushes(int threads = omp_get_max_threads()) {
  std::vector<char> each(static_cast<std::size_t>(threads));
#pragma omp parallel num_threads(threads)
  each[static_cast<std::size_t>(omp_get_thread_num())] = flushes() ? 1 : 0;
  return {each.begin(), each.end()};
}

}  // namespace lamina::testing

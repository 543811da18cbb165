#include "ops/cpu/vectorized.h"

namespace lamina::ops::cpu {

Vectors vectors() {
#if defined(__x86_64__)
  static const Vectors best = [] {
    const auto has = [](auto... supported) { return ((supported != 0) && ...); };
    if (has(__builtin_cpu_supports("avx512f"), __builtin_cpu_supports("avx512dq"),
            __builtin_cpu_supports("avx512bw"), __builtin_cpu_supports("avx512vl"))) {
      return Vectors::kAvx512;
    }
    return has(__builtin_cpu_supports("avx2"), __builtin_cpu_supports("fma")) ? Vectors::kAvx2
                                                                              : Vectors::kAnywhere;
  }();
  return best;
#else
  return Vectors::kAnywhere;
#endif
}

}  // namespace lamina::ops::cpu

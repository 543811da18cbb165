#include "ops/cpu/vectorized.h"

namespace lamina::ops::cpu {

bool has_avx512() {
#if defined(__x86_64__)
  static const bool has =
      __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
      __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0;
  return has;
#else
  return false;
#endif
}

}  // namespace lamina::ops::cpu

#pragma once
#include <omp.h>

#include "ops/spec.h"

namespace lamina::ops::cpu {

/// While it lives, parallel regions that this thread opens have one thread, unless they say how
/// many: what a primitive is made for, and what it runs with. A small one then neither wakes others
/// nor has to see to how they treat denormal numbers, and gives the same on any number of cores.
class OneThread {
 public:
  explicit OneThread(bool alone) : before_(alone ? omp_get_max_threads() : 1) {
    if (before_ != 1) omp_set_num_threads(1);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;
  ~OneThread() {
    if (before_ != 1) omp_set_num_threads(before_);
  }

 private:
  int before_;
};

/// Whether one thread does it as fast as several.
[[nodiscard]] bool is_small(const OpSpec& spec);

}  // namespace lamina::ops::cpu

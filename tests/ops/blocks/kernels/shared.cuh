#pragma once
#include <cuda_runtime_api.h>

namespace lamina::kernels {

/// Knows who used what since the last barrier.
template <class A, int count>
class Shared {
 public:
  [[nodiscard]] A get(int i) {
    uses_[i].read();
    return reinterpret_cast<const A*>(memory_)[i];
  }
  void set(int i, const A& value) {
    uses_[i].write(sizeof(A));
    reinterpret_cast<A*>(memory_)[i] = value;
  }

 private:
  alignas(A) unsigned char memory_[sizeof(A) * count];
  lamina::testing::Use uses_[count];
};

}  // namespace lamina::kernels

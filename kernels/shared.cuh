#pragma once

namespace lamina::kernels {

/// Values in the memory that the threads of a block share; never constructed. (The tests have
/// another, which notices where a barrier is missing.)
template <class A, int count>
struct Shared {
  alignas(A) unsigned char memory[sizeof(A) * count];

  [[nodiscard]] __device__ A get(int i) const { return reinterpret_cast<const A*>(memory)[i]; }
  __device__ void set(int i, const A& value) { reinterpret_cast<A*>(memory)[i] = value; }
};

}  // namespace lamina::kernels

#pragma once
#include <cuda_runtime_api.h>

namespace cub {

/// The first thread's result is that of all, in order.
template <class T, int threads>
class BlockReduce {
 public:
  struct TempStorage {
    alignas(T) unsigned char values[sizeof(T) * threads];
  };
  explicit BlockReduce(TempStorage& storage) : values_(reinterpret_cast<T*>(storage.values)) {}
  template <class F>
  T Reduce(const T& mine, const F& combine) {
    values_[threadIdx.x] = mine;
    __syncthreads();
    T all = values_[0];
    if (threadIdx.x == 0) {
      for (int i = 1; i < threads; ++i) all = combine(all, values_[i]);
    }
    return all;
  }

 private:
  T* values_;
};

}  // namespace cub

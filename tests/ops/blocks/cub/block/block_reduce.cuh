#pragma once
#include <cuda_runtime_api.h>

#include <cstring>

#include "kernels/shared.cuh"

namespace cub {

/// In CUB's order: within each warp by halves that are neighbours, then warp by warp. Only the
/// first thread has the result. The storage is free again behind the next barrier.
template <class T, int threads>
class BlockReduce {
 public:
  using TempStorage = lamina::kernels::Shared<T, threads>;

  explicit BlockReduce(TempStorage& storage) : storage_(storage) {}

  template <class F>
  T Reduce(const T& mine, const F& combine, const char* file = __builtin_FILE(),
           int line = __builtin_LINE()) {
    const int thread = static_cast<int>(threadIdx.x);
    storage_.set(thread, mine);
    lamina::testing::barrier(file, line);
    T all = mine;
    if (thread != 0) {
      std::memset(static_cast<void*>(&all), 0xff, sizeof(T));
      return all;
    }
    all = warp(0, combine);
    for (int first = kWarp; first < threads; first += kWarp) {
      all = combine(all, warp(first, combine));
    }
    return all;
  }

 private:
  static constexpr int kWarp = 32;
  static_assert(threads % kWarp == 0);

  template <class F>
  T warp(int first, const F& combine, int size = kWarp) {
    if (size == 1) return storage_.get(first);
    return combine(warp(first, combine, size / 2), warp(first + size / 2, combine, size / 2));
  }

  TempStorage& storage_;
};

}  // namespace cub

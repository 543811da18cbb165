#pragma once
#include <cuda_runtime_api.h>

#include <cub/block/block_reduce.cuh>

#include "kernels/executor.h"
#include "kernels/host_device.h"

namespace lamina::kernels {

inline constexpr int kThreads = 256;
inline constexpr int kLanes = 32, kRows = kThreads / kLanes;
inline constexpr std::int64_t kMostBlocks = 1 << 16;

template <class F>
__global__ void __launch_bounds__(kThreads) for_each_kernel(std::int64_t n, F f) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < n;
       i += step) {
    f(i);
  }
}

template <class F, class A>
__device__ void keep(const F& f, std::int64_t groups, std::int64_t g, const A& all, A* partial) {
  if (gridDim.y == 1) {
    f.finish(g, all);
  } else {
    partial[static_cast<std::int64_t>(blockIdx.y) * groups + g] = all;
  }
}

/// One block a group and slice.
template <class F, class A>
__global__ void __launch_bounds__(kThreads)
    reduce_along_kernel(std::int64_t groups, std::int64_t size, F f, A* partial) {
  using Block = cub::BlockReduce<A, kThreads>;
  __shared__ typename Block::TempStorage storage;
  const std::int64_t first = size * blockIdx.y / gridDim.y;
  const std::int64_t last = size * (blockIdx.y + 1) / gridDim.y;
  for (std::int64_t g = blockIdx.x; g < groups; g += gridDim.x) {
    A mine = f.zero();
    for (std::int64_t k = first + threadIdx.x; k < last; k += kThreads) {
      mine = f.combine(mine, f.element(g, k));
    }
    const A all =
        Block(storage).Reduce(mine, [&](const A& a, const A& b) { return f.combine(a, b); });
    if (threadIdx.x == 0) keep(f, groups, g, all, partial);
    __syncthreads();  // before the next group takes the storage
  }
}

/// 32 neighbouring groups a block: its rows read neighbouring memory.
template <class F, class A>
__global__ void __launch_bounds__(kThreads)
    reduce_across_kernel(std::int64_t groups, std::int64_t size, F f, A* partial) {
  __shared__ alignas(A) unsigned char memory[sizeof(A) * kThreads];
  A* const tile = reinterpret_cast<A*>(memory);
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int row = static_cast<int>(threadIdx.x) / kLanes;
  const std::int64_t first = size * blockIdx.y / gridDim.y;
  const std::int64_t last = size * (blockIdx.y + 1) / gridDim.y;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kLanes;
  for (std::int64_t base = static_cast<std::int64_t>(blockIdx.x) * kLanes; base < groups;
       base += step) {
    const std::int64_t g = base + lane;
    A mine = f.zero();
    if (g < groups) {
      for (std::int64_t k = first + row; k < last; k += kRows) {
        mine = f.combine(mine, f.element(g, k));
      }
    }
    tile[threadIdx.x] = mine;
    __syncthreads();
    if (row == 0 && g < groups) {
      for (int r = 1; r < kRows; ++r) mine = f.combine(mine, tile[r * kLanes + lane]);
      keep(f, groups, g, mine, partial);
    }
    __syncthreads();
  }
}

/// The parts of each group together.
template <class F, class A>
struct Together {
  F f;
  const A* partial;
  std::int64_t groups, count;
  __device__ void operator()(std::int64_t g) const {
    A all = f.zero();
    for (std::int64_t slice = 0; slice < count; ++slice) {
      all = f.combine(all, partial[slice * groups + g]);
    }
    f.finish(g, all);
  }
};

/// See HostExecutor. `status` is the first failure of a launch, a cudaError_t.
struct DeviceExecutor {
  cudaStream_t stream;
  int status = cudaSuccess;

  template <class F>
  void for_each(std::int64_t n, const F& f) {
    if (n == 0 || status != cudaSuccess) return;
    for_each_kernel<<<blocks((n + kThreads - 1) / kThreads), kThreads, 0, stream>>>(n, f);
    status = cudaGetLastError();
  }

  template <class F>
  void reduce(std::int64_t groups, std::int64_t size, const Slices& slices, void* parts,
              const F& f) {
    using A = decltype(f.zero());
    if (groups == 0 || status != cudaSuccess) return;
    auto* const partial = static_cast<A*>(parts);
    const auto count = static_cast<unsigned>(slices.count);
    if (slices.along) {
      const dim3 grid(blocks(groups), count);
      reduce_along_kernel<<<grid, kThreads, 0, stream>>>(groups, size, f, partial);
    } else {
      const dim3 grid(blocks((groups + kLanes - 1) / kLanes), count);
      reduce_across_kernel<<<grid, kThreads, 0, stream>>>(groups, size, f, partial);
    }
    status = cudaGetLastError();
    if (count > 1) for_each(groups, Together<F, A>{f, partial, groups, slices.count});
  }

 private:
  static unsigned blocks(std::int64_t wanted) {
    return static_cast<unsigned>(wanted < kMostBlocks ? wanted : kMostBlocks);
  }
};

}  // namespace lamina::kernels

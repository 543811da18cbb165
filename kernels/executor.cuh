#pragma once
#include <cuda_runtime_api.h>

#include <cub/block/block_reduce.cuh>
#include <numeric>

#include "kernels/executor.h"
#include "kernels/host_device.h"
#include "kernels/shared.cuh"
#include "kernels/start.cuh"

namespace lamina::kernels {

inline constexpr int kThreads = 256;
inline constexpr int kLanes = 32, kRows = kThreads / kLanes;
inline constexpr std::int64_t kMostBlocks = 1 << 16, kMostOuter = 65535;
inline constexpr std::int64_t kBusy =
    1056;  ///< blocks that keep a large GPU busy: 8 for each of 132

template <class F>
__global__ void __launch_bounds__(kThreads) for_each_kernel(std::int64_t n, F f) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < n;
       i += step) {
    f(i);
  }
}

/// The threads of a block, as a team.
struct BlockTeam {
  template <class A, class Element, class Combine>
  [[nodiscard]] __device__ A reduce(std::int64_t size, const A& first, const Element& element,
                                    const Combine& combine) const {
    using Reduce = cub::BlockReduce<A, kThreads>;
    __shared__ typename Reduce::TempStorage storage;
    __shared__ Shared<A, 1> all;
    A mine = first;
    for (std::int64_t i = threadIdx.x; i < size; i += kThreads) mine = combine(mine, element(i));
    const A reduced = Reduce(storage).Reduce(mine, combine);
    if (threadIdx.x == 0) all.set(0, reduced);
    __syncthreads();
    const A out = all.get(0);
    __syncthreads();  // before the next one takes both
    return out;
  }
  template <class F>
  __device__ void each(std::int64_t size, const F& f) const {
    for (std::int64_t i = threadIdx.x; i < size; i += kThreads) f(i);
  }
};

template <class F>
__global__ void __launch_bounds__(kThreads) for_each_team_kernel(std::int64_t n, F f) {
  for (std::int64_t i = blockIdx.x; i < n; i += gridDim.x) f(i, BlockTeam{});
}

template <int N, class F>
__global__ void __launch_bounds__(kThreads) for_each_pack_kernel(std::int64_t n, F f) {
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kThreads, packs = n / N;
  for (std::int64_t p = first; p < packs; p += step) f.template at<N>(p * N);
  if (first < n - packs * N) f.template at<1>(packs * N + first);
}

/// The step is a multiple of the channels, so that a thread's elements are all of the same.
template <int N, class F>
__global__ void __launch_bounds__(kThreads)
    for_each_channel_kernel(std::int64_t n, std::int64_t channels, F f) {
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kThreads, packs = n / N;
  if (first < packs) {
    const auto prepared = f.template prepare<N>(first * N % channels);
    for (std::int64_t p = first; p < packs; p += step) f.template at<N>(p * N, prepared);
  }
  if (first < n - packs * N) {
    const std::int64_t i = packs * N + first;
    f.template at<1>(i, f.template prepare<1>(i % channels));
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
  __shared__ Shared<A, kThreads> tile;
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
    tile.set(static_cast<int>(threadIdx.x), mine);
    __syncthreads();
    if (row == 0 && g < groups) {
      for (int r = 1; r < kRows; ++r) mine = f.combine(mine, tile.get(r * kLanes + lane));
      keep(f, groups, g, mine, partial);
    }
    __syncthreads();
  }
}

/// A block has `width` threads (a power of two) beside one another and the rest of its threads
/// above one another: each adds up N columns of its rows.
template <int N, class F, class A>
__global__ void __launch_bounds__(kThreads)
    reduce_columns_kernel(Columns all, int width, F f, A* partial) {
  __shared__ Shared<A, kThreads * N> tile;
  const int thread = static_cast<int>(threadIdx.x);
  const int x = thread & (width - 1), y = thread / width, height = kThreads / width;
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.x) * width + x) * N;
  const std::int64_t first = all.rows * blockIdx.y / gridDim.y + y;
  const std::int64_t last = all.rows * (blockIdx.y + 1) / gridDim.y;
  for (std::int64_t o = blockIdx.z; o < all.outer; o += gridDim.z) {
    typename F::Sum sums[N] = {};
    if (column < all.columns) {
      const auto prepared = f.template prepare<N>(column);
      const std::int64_t base = o * all.rows * all.columns + column;
#pragma unroll 4
      for (std::int64_t r = first; r < last; r += height) {
        f.template add<N>(sums, prepared, base + r * all.columns);
      }
    }
    for (int k = 0; k < N; ++k) tile.set(k * kThreads + thread, f.total(sums[k]));
    __syncthreads();
    for (int half = height / 2; half > 0; half /= 2) {
      if (y < half) {
        for (int k = 0; k < N; ++k) {
          const int mine = k * kThreads + thread;
          tile.set(mine, f.combine(tile.get(mine), tile.get(mine + half * width)));
        }
      }
      __syncthreads();
    }
    if (y == 0 && column < all.columns) {
      for (int k = 0; k < N; ++k) {
        keep(f, all.outer * all.columns, o * all.columns + column + k, tile.get(k * kThreads + x),
             partial);
      }
    }
    __syncthreads();  // before the next rows take the tile
  }
}

/// The parts of each group, to be reduced like elements.
template <class F, class A>
struct Parts {
  F f;
  const A* partial;
  std::int64_t groups;
  __device__ A zero() const { return f.zero(); }
  __device__ A combine(const A& a, const A& b) const { return f.combine(a, b); }
  __device__ A element(std::int64_t g, std::int64_t slice) const {
    return partial[slice * groups + g];
  }
  __device__ void finish(std::int64_t g, const A& all) const { f.finish(g, all); }
};

/// See HostExecutor. `status` is the first failure of a launch, a cudaError_t.
struct DeviceExecutor {
  cudaStream_t stream;
  int status = cudaSuccess;

  template <class F>
  void for_each(std::int64_t n, const F& f) {
    if (n == 0) return;
    if constexpr (requires { F::kPack; }) {
      if (f.in_packs()) {
        each_pack<F::kPack>(n, f);
      } else {
        each_pack<1>(n, f);
      }
    } else {
      run(for_each_kernel<F>, blocks(up(n, kThreads)), n, f);
    }
  }

  template <class F>
  void for_each_team(std::int64_t n, const F& f) {
    if (n > 0) run(for_each_team_kernel<F>, blocks(n), n, f);
  }

  template <class F>
  void for_each_channel(std::int64_t n, std::int64_t channels, const F& f) {
    if (n == 0) return;
    if (f.in_packs()) {
      each_channel<F::kPack>(n, channels, f);
    } else {
      each_channel<1>(n, channels, f);
    }
  }

  template <class F>
  void reduce_columns(const Columns& all, const Slices& slices, void* parts, const F& f) {
    if (all.outer * all.columns == 0) return;
    if (f.in_packs() && all.columns % F::kPack == 0) {
      reduce_packs<F::kPack>(all, slices, parts, f);
    } else {
      reduce_packs<1>(all, slices, parts, f);
    }
  }

  template <class F>
  void reduce(std::int64_t groups, std::int64_t size, const Slices& slices, void* parts,
              const F& f) {
    using A = decltype(f.zero());
    if (groups == 0) return;
    auto* const partial = static_cast<A*>(parts);
    const auto count = static_cast<unsigned>(slices.count);
    if (slices.along) {
      run(reduce_along_kernel<F, A>, dim3(blocks(groups), count), groups, size, f, partial);
    } else {
      const dim3 grid(blocks(up(groups, kLanes)), count);
      run(reduce_across_kernel<F, A>, grid, groups, size, f, partial);
    }
    if (count > 1) together(groups, slices.count, partial, f);
  }

 private:
  template <class... P, class... A>
  void run(void (*kernel)(P...), dim3 grid, const A&... arguments) {
    if (status == cudaSuccess) status = start<kThreads>(kernel, grid, stream, arguments...);
  }

  static std::int64_t up(std::int64_t n, std::int64_t by) { return (n + by - 1) / by; }

  /// The elements behind the last pack need a thread each, too.
  template <int N, class F>
  void each_pack(std::int64_t n, const F& f) {
    run(for_each_pack_kernel<N, F>, blocks(up(n / N + N - 1, kThreads)), n, f);
  }

  template <int N, class F>
  void each_channel(std::int64_t n, std::int64_t channels, const F& f) {
    // Every so many blocks begin with the same channel, where a thread comes around again.
    const std::int64_t same = channels / N / std::gcd(channels / N, std::int64_t{kThreads});
    const std::int64_t wanted = up(n / N + N, kThreads),
                       around = up(grid_limit(kBusy), same) * same;
    const std::int64_t grid = wanted < around ? wanted : around;
    run(for_each_channel_kernel<N, F>, static_cast<unsigned>(grid), n, channels, f);
  }

  template <int N, class F>
  void reduce_packs(const Columns& all, const Slices& slices, void* parts, const F& f) {
    using A = decltype(f.zero());
    auto* const partial = static_cast<A*>(parts);
    int width = 1;
    while (width < all.columns / N && width < kLanes) width *= 2;
    const std::int64_t most = grid_limit(kMostOuter);
    const dim3 grid(static_cast<unsigned>(up(all.columns / N, width)),
                    static_cast<unsigned>(slices.count),
                    static_cast<unsigned>(all.outer < most ? all.outer : most));
    run(reduce_columns_kernel<N, F, A>, grid, all, width, f, partial);
    if (slices.count > 1) together(all.outer * all.columns, slices.count, partial, f);
  }

  template <class F, class A>
  void together(std::int64_t groups, std::int64_t count, const A* partial, const F& f) {
    run(reduce_along_kernel<Parts<F, A>, A>, blocks(groups), groups, count,
        Parts<F, A>{f, partial, groups}, static_cast<A*>(nullptr));
  }

  static unsigned blocks(std::int64_t wanted) {
    const std::int64_t most = grid_limit(kMostBlocks);
    return static_cast<unsigned>(wanted < most ? wanted : most);
  }
};

}  // namespace lamina::kernels

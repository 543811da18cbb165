#pragma once
// What kernels/executor.cuh takes of CUDA, for a host: one block after another, its threads in turn
// from one __syncthreads() to the next, so that the kernels' own indices and barriers are tested
// where there is no GPU.
#include <functional>

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(threads)

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

using cudaStream_t = void*;
using cudaError_t = int;
inline constexpr int cudaSuccess = 0, cudaErrorInvalidConfiguration = 9,
                     cudaErrorNotSupported = 801;

namespace lamina::testing {

/// Of the thread that runs.
struct Place {
  dim3 thread, block, grid;
};
[[nodiscard]] const Place& place();

/// Runs `kernel` once for each thread of each block; blocks, and threads between barriers, in an
/// order drawn anew. Throws std::logic_error where some threads of a block wait for others that
/// have ended.
void run_blocks(dim3 grid, int threads, const std::function<void()>& kernel);
/// Returns when every thread of the block has come here.
void barrier();

/// What CUDA says of a launch of such a grid.
[[nodiscard]] inline cudaError_t checked(dim3 grid) {
  constexpr unsigned kMostAlongX = 0x7fffffff, kMost = 65535;
  const bool legal = grid.x > 0 && grid.x <= kMostAlongX && grid.y > 0 && grid.y <= kMost &&
                     grid.z > 0 && grid.z <= kMost;
  return legal ? cudaSuccess : cudaErrorInvalidConfiguration;
}
/// Whether launches are only checked, and counted.
struct OnlyChecked {
  bool now = false;
  int launches = 0;
};
[[nodiscard]] OnlyChecked& only_checked();

}  // namespace lamina::testing

#define threadIdx (lamina::testing::place().thread)
#define blockIdx (lamina::testing::place().block)
#define gridDim (lamina::testing::place().grid)
#define __syncthreads() lamina::testing::barrier()

#pragma once
// What kernels/*.cu take of CUDA, for a host: blocks of threads one after another, so that the
// kernels' own indices, barriers and shared memory are tested where there is no GPU. Implemented
// in block.cpp.
#include <cstddef>
#include <cstdint>
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
/// order drawn anew. Throws std::logic_error where threads of a block wait at different barriers,
/// or for others that have ended, and where shared memory is used as it must not be.
void run_blocks(dim3 grid, int threads, const std::function<void()>& kernel);
/// Returns when every thread of the block has come here.
void barrier(const char* file, int line);

/// What CUDA says of such a launch.
[[nodiscard]] cudaError_t checked(dim3 grid, int threads);
/// `most`, or at random a few.
[[nodiscard]] std::int64_t drawn_limit(std::int64_t most);

/// Whether launches are only checked, and counted.
struct OnlyChecked {
  bool now = false;
  int launches = 0;
};
[[nodiscard]] OnlyChecked& only_checked();

/// Who used an element of shared memory last. Each throws std::logic_error where the block has not
/// written it, or where another thread uses it without a barrier between.
class Use {
 public:
  void read();
  void write(std::size_t bytes);

 private:
  std::uint64_t written_ = 0, read_ = 0;  ///< between which barriers
  int writer_ = 0, reader_ = 0;
};

}  // namespace lamina::testing

#define threadIdx (lamina::testing::place().thread)
#define blockIdx (lamina::testing::place().block)
#define gridDim (lamina::testing::place().grid)

inline void __syncthreads(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  lamina::testing::barrier(file, line);
}

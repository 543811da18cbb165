#pragma once
#include <cuda_runtime.h>

#include <cstdint>

namespace lamina::kernels {

// The tests have another of these two: blocks run on the host, and small grids come around.

/// As many blocks as a grid has at most along one side, where a GPU shall have `most`.
constexpr std::int64_t grid_limit(std::int64_t most) {
  return most;
}

/// Gives a kernel in blocks of so many threads to `stream`; returns what the launch itself
/// reported, and not what some earlier call of this thread left behind, which nobody looked at.
template <int threads, class... P, class... A>
cudaError_t start(void (*kernel)(P...), dim3 grid, cudaStream_t stream, const A&... arguments) {
  cudaLaunchConfig_t how{};
  how.gridDim = grid;
  how.blockDim = dim3(threads);
  how.stream = stream;
  return cudaLaunchKernelEx(&how, kernel, arguments...);
}

}  // namespace lamina::kernels

#pragma once
#include <cuda_runtime.h>

namespace lamina::kernels {

/// Gives a kernel in blocks of so many threads to `stream`; returns what the launch itself
/// reported, and not what some earlier call of this thread left behind, which nobody looked at.
/// (The tests have another that runs blocks on the host.)
template <int threads, class... P, class... A>
cudaError_t start(void (*kernel)(P...), dim3 grid, cudaStream_t stream, const A&... arguments) {
  cudaLaunchConfig_t how{};
  how.gridDim = grid;
  how.blockDim = dim3(threads);
  how.stream = stream;
  return cudaLaunchKernelEx(&how, kernel, arguments...);
}

}  // namespace lamina::kernels

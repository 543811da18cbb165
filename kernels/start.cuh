#pragma once
#include <cuda_runtime_api.h>

namespace lamina::kernels {

/// Gives a kernel in blocks of so many threads to `stream`; returns what the launch reported. (The
/// tests have another that runs blocks on the host.)
template <int threads, class... P, class... A>
cudaError_t start(void (*kernel)(P...), dim3 grid, cudaStream_t stream, const A&... arguments) {
  kernel<<<grid, threads, 0, stream>>>(arguments...);
  return cudaGetLastError();
}

}  // namespace lamina::kernels

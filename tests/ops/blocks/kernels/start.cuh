#pragma once
#include <cuda_runtime_api.h>

namespace lamina::kernels {

template <int threads, class... P, class... A>
int start(void (*kernel)(P...), dim3 grid, cudaStream_t, const A&... arguments) {
  const cudaError_t status = lamina::testing::checked(grid);
  lamina::testing::OnlyChecked& only = lamina::testing::only_checked();
  if (only.now) {
    ++only.launches;
  } else if (status == cudaSuccess) {
    lamina::testing::run_blocks(grid, threads, [&] { kernel(arguments...); });
  }
  return status;
}

}  // namespace lamina::kernels

#pragma once
#include <cuda_runtime_api.h>

namespace lamina::kernels {

inline std::int64_t grid_limit(std::int64_t most) {
  return lamina::testing::drawn_limit(most);
}

template <int threads, class... P, class... A>
int start(void (*kernel)(P...), dim3 grid, cudaStream_t, const A&... arguments) {
  const cudaError_t status = lamina::testing::checked(grid, threads);
  lamina::testing::OnlyChecked& only = lamina::testing::only_checked();
  if (only.now) {
    ++only.launches;
  } else if (status == cudaSuccess) {
    lamina::testing::run_blocks(grid, threads, [&] { kernel(arguments...); });
  }
  return status;
}

}  // namespace lamina::kernels

// The elementwise functors as device kernels: one grid-stride loop each for unary and binary
// operations.
#include "kernels/elementwise.cuh"

#include "kernels/elementwise.h"

namespace lamina::kernels {
namespace {

static_assert(__cplusplus >= 202002L, "the compiler was not asked for C++20");

constexpr unsigned kThreads = 256;
constexpr std::int64_t kMostBlocks = 4096;

template <class F>
__global__ void unary_kernel(F f, const float* x, float* y, std::int64_t size) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < size;
       i += step) {
    y[i] = f(x[i]);
  }
}

template <class F>
__global__ void binary_kernel(F f, const float* x0, const float* x1, float* y, std::int64_t size) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < size;
       i += step) {
    y[i] = f(x0[i], x1[i]);
  }
}

unsigned blocks_for(std::int64_t size) {
  const std::int64_t blocks = (size + kThreads - 1) / kThreads;
  return static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks);
}

}  // namespace

#define LAMINA_UNARY(enumerator, name, functor)                                                   \
  cudaError_t launch_##functor(float a, float b, float c, const float* x, float* y,               \
                               std::int64_t size, cudaStream_t stream) {                          \
    if (size == 0) return cudaSuccess;                                                            \
    unary_kernel<<<blocks_for(size), kThreads, 0, stream>>>(functor<float>{a, b, c}, x, y, size); \
    return cudaGetLastError();                                                                    \
  }
#define LAMINA_BINARY(enumerator, name, functor)                                              \
  cudaError_t launch_##functor(const float* x0, const float* x1, float* y, std::int64_t size, \
                               cudaStream_t stream) {                                         \
    if (size == 0) return cudaSuccess;                                                        \
    binary_kernel<<<blocks_for(size), kThreads, 0, stream>>>(functor{}, x0, x1, y, size);     \
    return cudaGetLastError();                                                                \
  }
#include "kernels/elementwise.def"
#undef LAMINA_UNARY
#undef LAMINA_BINARY

}  // namespace lamina::kernels

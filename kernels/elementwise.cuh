// Launchers of the elementwise kernels: one a row of elementwise.def, named after its functor.
// Pointers are device memory of `size` floats; y may be an operand. They return what the launch
// reported.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>

namespace lamina::kernels {

#define LAMINA_UNARY(enumerator, name, functor)                                     \
  cudaError_t launch_##functor(float a, float b, float c, const float* x, float* y, \
                               std::int64_t size, cudaStream_t stream);
#define LAMINA_BINARY(enumerator, name, functor)                                              \
  cudaError_t launch_##functor(const float* x0, const float* x1, float* y, std::int64_t size, \
                               cudaStream_t stream);
#include "kernels/elementwise.def"
#undef LAMINA_UNARY
#undef LAMINA_BINARY

}  // namespace lamina::kernels

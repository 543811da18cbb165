#pragma once
#include "kernels/executor.cuh"
#include "kernels/launch.h"

/// The body of one launch function.
#define LAMINA_LAUNCH(Job)                                                                     \
  int launch(const Job& job, void* stream) {                                                   \
    DeviceExecutor executor{static_cast<cudaStream_t>(stream)};                                \
    return execute(job, executor) ? executor.status : static_cast<int>(cudaErrorNotSupported); \
  }

// The kernels of a GPU. Each call gives its work to `stream`, a cudaStream_t, and returns what the
// launch reported, a cudaError_t.
#pragma once
#include "kernels/jobs.h"

namespace lamina::kernels {

#define LAMINA_JOB(Job) int launch(const Job& job, void* stream);
#include "kernels/jobs.def"

}  // namespace lamina::kernels

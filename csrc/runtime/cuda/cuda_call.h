#pragma once
#include <lamina/error.h>

namespace lamina::runtime {

/// The one place where results of CUDA are checked. Takes a cudaError_t as a number, so that the
/// headers need no toolkit. Throws DeviceError, and clears the error if CUDA lets it be cleared.
void check_cuda(int result, const char* call, SourceLocation where = SourceLocation::current());

}  // namespace lamina::runtime

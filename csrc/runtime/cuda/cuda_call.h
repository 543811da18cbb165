#pragma once
#include <lamina/error.h>

namespace lamina::runtime {

/// The one place where results of CUDA are checked. Takes a cudaError_t as a number, so that the
/// headers need no toolkit. Throws DeviceError, and clears the error if CUDA lets it be cleared.
void check_cuda(int result, const char* call, SourceLocation where = SourceLocation::current());

/// Whether the process ends and CUDA is gone already, as it is for statics that are older than its
/// first use. Handles of its libraries must not be destroyed then: that may crash.
[[nodiscard]] bool cuda_has_gone() noexcept;

}  // namespace lamina::runtime

#pragma once
#include <lamina/error.h>

namespace lamina::runtime {

/// The one place where results of CUDA are checked. Takes a cudaError_t as a number, so that the
/// headers need no toolkit. Throws DeviceError, and clears the error if CUDA lets it be cleared; if
/// it does not, the message says so.
void check_cuda(int result, const char* call, SourceLocation where = SourceLocation::current());

/// Makes `device` the current one of the calling thread, which need not be the thread that had to
/// do with it before: a new one has device 0, which even a wait or a release would put into use.
/// Throws DeviceError.
void make_current(int device);
/// The same for what must go on, such as destructors: a device that cannot be made current says so
/// at the next call.
void try_make_current(int device) noexcept;

/// Whether the process ends and CUDA is gone already, as it is for statics that are older than its
/// first use; or this is a child that was forked from one that used CUDA. Handles of its libraries
/// must not be destroyed then: that may crash.
[[nodiscard]] bool cuda_has_gone() noexcept;

}  // namespace lamina::runtime

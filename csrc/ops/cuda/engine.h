#pragma once
#include <memory>

#include "kernels/jobs.h"
#include "ops/cuda/library_op.h"
#include "runtime/runtime.h"

namespace lamina::ops::cuda {

/// Bytes: what plans read and write begins at a multiple, as a plan's arena places it.
inline constexpr std::size_t kOperandAlignment = 64;

/// What a plan reads and writes, on the device: x (or a), then kernel (or b, or gamma), as the op
/// has them; the bias, or beta. kInput reads y and the kernel; kKernel reads x and y.
struct LibraryArgs {
  const void *first, *second, *bias;
  void* result;
  void* workspace;  ///< 256-byte aligned
};

/// One operation of a library, planned for one set of shapes. Used from one thread at a time.
class LibraryPlan {
 public:
  virtual ~LibraryPlan() = default;
  [[nodiscard]] virtual std::size_t workspace_bytes() const = 0;
  virtual void run(runtime::Stream& stream, const LibraryArgs& args) = 0;
};

/// What computes on a device: our kernels, and the libraries. Safe to use from several threads.
class Engine {
 public:
  virtual ~Engine() = default;
  /// Gives `job` to the stream. Throws DeviceError when the launch fails.
  virtual void launch(runtime::Stream& stream, const kernels::Job& job) = 0;
  /// Nothing where no library has the operation; a kernel of ours does it then. Throws BackendError
  /// when a library fails.
  [[nodiscard]] virtual std::shared_ptr<LibraryPlan> plan(const LibraryOp& op) = 0;
};

}  // namespace lamina::ops::cuda

#pragma once
#include <lamina/tensor.h>

#include <functional>
#include <memory>
#include <span>

#include "ops/spec.h"

namespace lamina::ops {

/// What a kernel reads and writes during one run.
struct KernelArgs {
  std::span<const void* const> inputs;
  std::span<void* const> outputs;
  void* workspace = nullptr;  ///< `workspace_bytes()` bytes, 64-byte aligned, contents undefined
};

/// One operation, ready to run for one set of shapes.
class Kernel {
 public:
  virtual ~Kernel() = default;
  /// Takes (and repacks) the parameters; called before the first run and whenever a weight changed.
  /// The kernel keeps what it needs: the tensors passed may be freed afterwards unless it shares
  /// them. Each is on the host or on the backend's device. Later ones go where the first lay, so
  /// that what was recorded of the kernel holds.
  virtual void load_parameters(std::span<const Tensor> params);
  [[nodiscard]] virtual std::size_t workspace_bytes() const { return 0; }
  /// True when output 0 may be the same memory as input `index`.
  [[nodiscard]] virtual bool can_run_in_place(std::size_t index) const {
    (void)index;
    return false;
  }
  virtual void run(const KernelArgs& args) = 0;
};

using KernelPtr = std::unique_ptr<Kernel>;

class Replay;

/// A device's implementation of every primitive operation. Throws UnsupportedError for a spec that
/// it cannot run (naming op and dtype), BackendError when its library fails.
class Backend {
 public:
  virtual ~Backend() = default;
  [[nodiscard]] virtual Device device() const = 0;
  /// Waits until what kernels were given to do is done, and throws what went wrong meanwhile: where
  /// they run on a stream, `run` returns before.
  virtual void settle() {}
  /// The latter without the waiting: who calls it has waited for the kernels that may refuse
  /// something, and others may still run.
  virtual void complain() {}
  /// What the kernels that `work` runs would do, recorded and not done (ops/replay.h); nothing
  /// where that is no gain. The kernels, and all that they were given, must outlive it, and each
  /// must have run before: libraries load on first use. Throws DeviceError where something cannot
  /// be recorded.
  [[nodiscard]] virtual std::unique_ptr<Replay> record(const std::function<void()>& work);
  [[nodiscard]] virtual KernelPtr make(const OpSpec& spec) = 0;
  /// Whether kernels are to run with denormal numbers flushed to zero (core/denormals.h).
  [[nodiscard]] virtual bool flushes_denormals() const { return false; }
};

/// The backend of a device, made for the caller. Throws ValueError when this build has none for it.
[[nodiscard]] std::shared_ptr<Backend> make_backend(Device device);

}  // namespace lamina::ops

#pragma once
#include <dnnl.hpp>

#include "ops/backend.h"
#include "ops/reference/reference_backend.h"

namespace lamina::ops {

/// The CPU: float32 on oneDNN and on loops of our own, float16 and bfloat16 widened to it, and the
/// reference for float64, integers and whatever is left. Kernels may outlive the backend.
class CpuBackend final : public Backend {
 public:
  /// Throws BackendError when oneDNN has no CPU engine.
  CpuBackend();
  [[nodiscard]] Device device() const override { return Device::cpu(); }
  /// Of every dtype, as XLA does, also where the reference computes.
  [[nodiscard]] bool flushes_denormals() const override { return true; }
  [[nodiscard]] KernelPtr make(const OpSpec& spec) override;

 private:
  dnnl::engine engine_;
  ReferenceBackend reference_;
};

}  // namespace lamina::ops

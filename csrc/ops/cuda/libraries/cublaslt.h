#pragma once
#include <lamina/devices.h>

#include <memory>

#include "ops/cuda/engine.h"

namespace lamina::ops::cuda {

/// cuBLASLt on the current device, loaded when it is first needed. Nothing where it is not there;
/// throws BackendError where it does not start.
class CublasLt {
 public:
  virtual ~CublasLt() = default;
  /// Nothing where it has no algorithm.
  [[nodiscard]] virtual std::shared_ptr<LibraryPlan> plan(const LibraryProduct& op,
                                                          Float32Precision precision) = 0;
};

[[nodiscard]] std::shared_ptr<CublasLt> load_cublaslt();

}  // namespace lamina::ops::cuda

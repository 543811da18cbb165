#pragma once
#include <lamina/devices.h>

#include <memory>

#include "ops/cuda/tuner.h"

namespace lamina::ops::cuda {

/// cuBLASLt on the current device, loaded when it is first needed. Nothing where it is not there;
/// throws BackendError where it does not start.
class CublasLt {
 public:
  virtual ~CublasLt() = default;
  /// Nothing where it has no algorithm. The one that is named `engine`, where it is among those
  /// that the library thinks of; else what that thinks the fastest.
  [[nodiscard]] virtual std::shared_ptr<LibraryPlan> plan(const LibraryProduct& op,
                                                          Float32Precision precision,
                                                          const std::string& engine = {}) = 0;
  /// What the library thinks of.
  [[nodiscard]] virtual EngineChoices choices(const LibraryProduct& op,
                                              Float32Precision precision) = 0;
  /// "cuBLASLt 130000": with its version.
  [[nodiscard]] virtual std::string name() const = 0;
};

[[nodiscard]] std::shared_ptr<CublasLt> load_cublaslt();

}  // namespace lamina::ops::cuda

#pragma once
#include <lamina/devices.h>

#include <memory>
#include <optional>
#include <string>

#include "ops/cuda/tuner.h"

namespace lamina::ops::cuda {

/// cuBLASLt on one device.
class CublasLt {
 public:
  /// On `device`, the current one; the library is loaded when it is first needed. Nothing where it
  /// is not there; throws BackendError where it does not start.
  [[nodiscard]] static std::optional<CublasLt> start(int device);

  /// Nothing where it has no algorithm, as for more matrices than it can count. The one that is
  /// named `engine`, where it is among those that the library thinks of; else what that thinks the
  /// fastest.
  [[nodiscard]] std::shared_ptr<LibraryPlan> plan(const LibraryProduct& op,
                                                  Float32Precision precision,
                                                  const std::string& engine = {}) const;
  /// What the library thinks of.
  [[nodiscard]] EngineChoices choices(const LibraryProduct& op, Float32Precision precision) const;
  /// "cuBLASLt 130000": with its version.
  [[nodiscard]] std::string name() const;

 private:
  struct Library;
  explicit CublasLt(std::shared_ptr<const Library> library) : library_(std::move(library)) {}

  std::shared_ptr<const Library> library_;
};

}  // namespace lamina::ops::cuda

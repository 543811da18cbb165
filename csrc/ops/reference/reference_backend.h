#pragma once
#include "ops/backend.h"

namespace lamina::ops {

/// Every operation as its definition reads: the oracle of the tests, and the body of whatever
/// another backend lacks. Slow, single-threaded; computes with denormal numbers.
class ReferenceBackend final : public Backend {
 public:
  [[nodiscard]] Device device() const override { return Device::cpu(); }
  [[nodiscard]] KernelPtr make(const OpSpec& spec) override;
};

}  // namespace lamina::ops

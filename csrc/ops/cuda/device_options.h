#pragma once
#include <lamina/devices.h>

namespace lamina::ops::cuda {

struct EngineOptions {
  Float32Precision precision = Float32Precision::kStrict;
  Autotuning autotuning = {};
  friend bool operator==(const EngineOptions&, const EngineOptions&) = default;
};

/// What is set now. Safe to use from several threads.
[[nodiscard]] EngineOptions engine_options();

}  // namespace lamina::ops::cuda

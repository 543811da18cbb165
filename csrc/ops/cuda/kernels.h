#pragma once
#include "ops/cuda/device_kernel.h"

// Makers of a device's kernels, one for each operation. What they are given is supported (see
// require_supported) and not empty.
namespace lamina::ops::cuda {

#define LAMINA_OP(Op, name, dtypes, inputs) \
  [[nodiscard]] KernelPtr make(const Site& site, const Op& op);
#include "ops/ops.def"

}  // namespace lamina::ops::cuda

#include "ops/backend.h"

#include <lamina/error.h>

#include "ops/replay.h"

namespace lamina::ops {

void Kernel::load_parameters(std::span<const Tensor> params) {
  if (!params.empty()) {
    throw ValueError("A kernel without parameters received " + std::to_string(params.size()) + ".");
  }
}

std::unique_ptr<Replay> Backend::record(const std::function<void()>& work) {
  (void)work;
  return nullptr;
}

}  // namespace lamina::ops

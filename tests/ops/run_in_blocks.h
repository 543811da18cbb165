#pragma once
#include "ops/cuda/engine.h"

namespace lamina::ops::contract {

/// The kernels as a GPU has them, in blocks of threads, on the host; no libraries.
class BlocksEngine final : public cuda::Engine {
 public:
  void launch(runtime::Stream& stream, const kernels::Job& job) override;
  [[nodiscard]] std::shared_ptr<cuda::LibraryPlan> plan(const cuda::LibraryOp&) override {
    return nullptr;
  }
};

}  // namespace lamina::ops::contract

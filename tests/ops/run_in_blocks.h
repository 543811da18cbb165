#pragma once
#include "ops/cuda/host_engine.h"

namespace lamina::ops::contract {

/// The kernels as a GPU has them, in blocks of threads, on the host; libraries as HostEngine has
/// them, or none.
class BlocksEngine final : public cuda::Engine {
 public:
  explicit BlocksEngine(bool libraries = false) : host_(libraries) {}

  void launch(runtime::Stream& stream, const kernels::Job& job) override;
  [[nodiscard]] std::shared_ptr<cuda::LibraryPlan> plan(const cuda::LibraryOp& op) override {
    return host_.plan(op);
  }

 private:
  cuda::HostEngine host_;
};

/// Runs a job so, here and now. Throws UnsupportedError for a dtype that it is not defined for,
/// std::logic_error for a launch that CUDA would refuse.
void run_in_blocks(const kernels::Job& job);

/// The number of kernels that a job launches, none of which runs; throws likewise.
[[nodiscard]] int launches_of(const kernels::Job& job);

}  // namespace lamina::ops::contract

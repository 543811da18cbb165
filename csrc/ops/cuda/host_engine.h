#pragma once
#include "ops/cuda/engine.h"

namespace lamina::ops::cuda {

/// The same kernels on memory that the host can reach, run by the stream's host functions;
/// libraries are stood in for by the reference, with gaps as they have them: unequal padding,
/// activations but relu, 2^16 matrices at once; and they refuse operands that are not aligned. For
/// devices whose runtime is not CUDA's: so all of the backend but the launches themselves runs
/// where there is no GPU.
class HostEngine final : public Engine {
 public:
  /// `libraries`: whether there are any.
  explicit HostEngine(bool libraries = true) : libraries_(libraries) {}
  void launch(runtime::Stream& stream, const kernels::Job& job) override;
  [[nodiscard]] std::shared_ptr<LibraryPlan> plan(const LibraryOp& op) override;

 private:
  bool libraries_;
};

}  // namespace lamina::ops::cuda

#pragma once
#include "ops/backend.h"
#include "ops/cuda/site.h"

namespace lamina::ops {

/// A CUDA device: cuDNN and cuBLASLt where they have an operation, kernels of ours otherwise.
/// Kernels give their work to the device's stream and return; see Backend::settle.
class CudaBackend final : public Backend {
 public:
  CudaBackend(std::shared_ptr<runtime::DeviceContext> context,
              std::shared_ptr<cuda::Engine> engine);
  [[nodiscard]] Device device() const override;
  void settle() override;
  void complain() override;
  [[nodiscard]] std::unique_ptr<Replay> record(const std::function<void()>& work) override;
  [[nodiscard]] KernelPtr make(const OpSpec& spec) override;

 private:
  cuda::Site site_;
};

}  // namespace lamina::ops

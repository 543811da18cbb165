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
  [[nodiscard]] std::unique_ptr<Replay> record(const std::function<void()>& work) override;
  [[nodiscard]] KernelPtr make(const Conv2D& op) override;
  [[nodiscard]] KernelPtr make(const Conv2DTranspose& op) override;
  [[nodiscard]] KernelPtr make(const Dense& op) override;
  [[nodiscard]] KernelPtr make(const Pool2D& op) override;
  [[nodiscard]] KernelPtr make(const Reduce& op) override;
  [[nodiscard]] KernelPtr make(const UnaryOp& op) override;
  [[nodiscard]] KernelPtr make(const BinaryOp& op) override;
  [[nodiscard]] KernelPtr make(const BatchNorm& op) override;
  [[nodiscard]] KernelPtr make(const LayerNorm& op) override;
  [[nodiscard]] KernelPtr make(const Softmax& op) override;
  [[nodiscard]] KernelPtr make(const Concat& op) override;
  [[nodiscard]] KernelPtr make(const Pad& op) override;
  [[nodiscard]] KernelPtr make(const Resize2D& op) override;
  [[nodiscard]] KernelPtr make(const Transpose& op) override;
  [[nodiscard]] KernelPtr make(const Reshape& op) override;
  [[nodiscard]] KernelPtr make(const Gather& op) override;
  [[nodiscard]] KernelPtr make(const Cast& op) override;
  [[nodiscard]] KernelPtr make(const Dropout& op) override;
  [[nodiscard]] KernelPtr make(const ParamValue& op) override;
  [[nodiscard]] KernelPtr make(const BatchNormStatistics& op) override;
  [[nodiscard]] KernelPtr make(const BatchNormTraining& op) override;
  [[nodiscard]] KernelPtr make(const BatchNormSums& op) override;
  [[nodiscard]] KernelPtr make(const BatchNormGradient& op) override;
  [[nodiscard]] KernelPtr make(const Conv2DKernelGradient& op) override;
  [[nodiscard]] KernelPtr make(const DenseKernelGradient& op) override;
  [[nodiscard]] KernelPtr make(const Pool2DGradient& op) override;
  [[nodiscard]] KernelPtr make(const ReduceGradient& op) override;
  [[nodiscard]] KernelPtr make(const UnaryGradient& op) override;
  [[nodiscard]] KernelPtr make(const BinaryGradient& op) override;
  [[nodiscard]] KernelPtr make(const LayerNormGradient& op) override;
  [[nodiscard]] KernelPtr make(const LayerNormSums& op) override;
  [[nodiscard]] KernelPtr make(const SoftmaxGradient& op) override;
  [[nodiscard]] KernelPtr make(const Resize2DGradient& op) override;
  [[nodiscard]] KernelPtr make(const GatherGradient& op) override;
  using Backend::make;

 private:
  cuda::Site site_;
};

}  // namespace lamina::ops

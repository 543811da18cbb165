#include "ops/cuda/cuda_backend.h"

#include "ops/cuda/kernels.h"
#include "ops/params.h"
#include "ops/reference/evaluate.h"

namespace lamina::ops {
namespace {

/// Checked as everywhere; nothing is to be done for an empty result.
template <class Op>
KernelPtr supported(const cuda::Site& site, const Op& op) {
  reference::require_supported(op);
  if (op.y.shape.size() > 0) return cuda::make(site, op);
  return cuda::device_kernel(site, op, {.run = [](const cuda::Call&) {}});
}

class DeviceReplay final : public Replay {
 public:
  DeviceReplay(std::shared_ptr<runtime::DeviceContext> context,
               std::unique_ptr<runtime::Recording> recording)
      : context_(std::move(context)), recording_(std::move(recording)) {}
  ~DeviceReplay() override { context_->settle(); }
  DeviceReplay(const DeviceReplay&) = delete;
  DeviceReplay& operator=(const DeviceReplay&) = delete;
  void run() override {
    context_->compute([&](runtime::Stream& stream) { stream.play(*recording_); });
  }

 private:
  std::shared_ptr<runtime::DeviceContext> context_;
  std::unique_ptr<runtime::Recording> recording_;
};

}  // namespace

CudaBackend::CudaBackend(std::shared_ptr<runtime::DeviceContext> context,
                         std::shared_ptr<cuda::Engine> engine)
    : site_{std::move(context), std::move(engine), std::make_shared<cuda::Complaints>()} {}

Device CudaBackend::device() const {
  return site_.context->device();
}

void CudaBackend::settle() {
  site_.context->mark()->wait();
  site_.complaints->raise();
}

std::unique_ptr<Replay> CudaBackend::record(const std::function<void()>& work) {
  return std::make_unique<DeviceReplay>(site_.context, site_.context->record(work));
}

KernelPtr CudaBackend::make(const Conv2D& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const Conv2DTranspose& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const Dense& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const Pool2D& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const Reduce& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const UnaryOp& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const BinaryOp& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const BatchNorm& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const LayerNorm& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const Softmax& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const Concat& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const Pad& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const Resize2D& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const Transpose& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const Reshape& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const Gather& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const Cast& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const Dropout& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const ParamValue& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const BatchNormStatistics& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const BatchNormTraining& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const BatchNormSums& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const BatchNormGradient& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const Conv2DKernelGradient& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const DenseKernelGradient& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const Pool2DGradient& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const ReduceGradient& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const UnaryGradient& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const BinaryGradient& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const LayerNormGradient& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const LayerNormSums& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const SoftmaxGradient& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const Resize2DGradient& op) {
  return supported(site_, op);
}
KernelPtr CudaBackend::make(const GatherGradient& op) {
  return supported(site_, op);
}

}  // namespace lamina::ops

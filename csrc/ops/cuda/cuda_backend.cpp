#include "ops/cuda/cuda_backend.h"

#include "ops/cuda/kernels.h"
#include "ops/supported.h"

namespace lamina::ops {
namespace {

/// Checked as everywhere; nothing is to be done for an empty result.
template <class Op>
KernelPtr supported(const cuda::Site& site, const Op& op) {
  require_supported(op);
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

KernelPtr CudaBackend::make(const OpSpec& spec) {
  return std::visit([&](const auto& op) { return supported(site_, op); }, spec);
}

}  // namespace lamina::ops

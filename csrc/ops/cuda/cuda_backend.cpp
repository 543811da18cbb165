#include "ops/cuda/cuda_backend.h"

#include "ops/cuda/kernels.h"
#include "ops/replay.h"
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

}  // namespace

CudaBackend::CudaBackend(std::shared_ptr<runtime::DeviceContext> context,
                         std::shared_ptr<cuda::Engine> engine)
    : site_{std::move(context), std::move(engine), std::make_shared<cuda::Complaints>()} {}

Device CudaBackend::device() const {
  return site_.context->device();
}

void CudaBackend::settle() {
  site_.context->with_mark([](const runtime::Event& mark) { mark.wait(); });
  complain();
}

void CudaBackend::complain() {
  site_.complaints->raise();
}

std::unique_ptr<Replay> CudaBackend::record(const std::function<void()>& work) {
  return std::make_unique<Replay>(site_.context, site_.context->record(work));
}

KernelPtr CudaBackend::make(const OpSpec& spec) {
  return std::visit([&](const auto& op) { return supported(site_, op); }, spec);
}

}  // namespace lamina::ops

#include "ops/cuda/device_kernel.h"

#include <algorithm>

#include "core/device_memory.h"
#include "ops/params.h"
#include "ops/reference/element.h"

namespace lamina::ops::cuda {
namespace {

constexpr std::size_t kAlignment = 256;  ///< what libraries ask of a workspace; a plan gives 64

class DeviceKernel final : public Kernel {
 public:
  DeviceKernel(const Site& site, const OpSpec& spec, Recipe recipe)
      : site_(site), spec_(spec), recipe_(std::move(recipe)) {}

  void load_parameters(std::span<const Tensor> params) override {
    check_params(spec_, params);
    std::vector<Tensor> packed = recipe_.pack ? recipe_.pack(params) : widened(params);
    // The old values go when the device is done with them (see DeviceContext::settle).
    params_ = core::copies_on(site_.context->device(), packed);
  }
  [[nodiscard]] std::size_t workspace_bytes() const override {
    return recipe_.workspace == 0 ? 0 : recipe_.workspace + kAlignment;
  }
  [[nodiscard]] bool can_run_in_place(std::size_t index) const override {
    return std::find(recipe_.in_place.begin(), recipe_.in_place.end(), index) !=
           recipe_.in_place.end();
  }
  void run(const KernelArgs& args) override {
    site_.context->compute(
        [&](runtime::Stream& stream) { recipe_.run(Call(site_, stream, args, params_)); });
  }

 private:
  [[nodiscard]] std::vector<Tensor> widened(std::span<const Tensor> params) const {
    const DType dtype = reference::compute_dtype(output_spec(spec_).dtype);
    std::vector<Tensor> out;
    for (const Tensor& param : params) out.push_back(param.cast(dtype));
    return out;
  }

  Site site_;
  OpSpec spec_;
  Recipe recipe_;
  std::vector<Tensor> params_;
};

}  // namespace

std::byte* Call::workspace(std::size_t at) const {
  const auto address = reinterpret_cast<std::uintptr_t>(args_.workspace);
  return reinterpret_cast<std::byte*>((address + kAlignment - 1) / kAlignment * kAlignment) + at;
}

KernelPtr device_kernel(const Site& site, const OpSpec& spec, Recipe recipe) {
  return std::make_unique<DeviceKernel>(site, spec, std::move(recipe));
}

}  // namespace lamina::ops::cuda

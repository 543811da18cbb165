#include "ops/cuda/device_kernel.h"

#include <algorithm>

#include "core/compute_dtype.h"
#include "core/device_memory.h"
#include "ops/jobs/layouts.h"
#include "ops/op_info.h"
#include "ops/params.h"
#include "ops/reference/evaluate.h"

namespace lamina::ops::cuda {
namespace {

constexpr std::size_t kAlignment = 256;  ///< what libraries ask of a workspace; a plan gives 64

Shape filters_first(const Shape& shape) {
  return {shape[3], shape[0], shape[1], shape[2]};
}

Tensor packed_on_host(const Tensor& param, const Packing& packing) {
  const Tensor cast = param.cast(*packing.dtype);
  if (!packing.filters_first) return cast;
  const Shape to = filters_first(cast.shape());
  Tensor out = Tensor::empty(to, cast.dtype());
  const void* inputs[] = {cast.raw()};
  reference::evaluate(Transpose{{cast.shape(), cast.dtype()}, {to, cast.dtype()}, {3, 0, 1, 2}},
                      {inputs, {}, out.raw()});
  return out;
}

/// The same elements, those of a kernel with its filters first.
kernels::CopyJob copy_job(const Packing& packing, const Shape& from, const void* x, void* y) {
  kernels::CopyJob job{};
  job.element = dtype_size(*packing.dtype);
  job.x = x;
  job.y = y;
  job.size = from.size();
  job.to = jobs::dense(job.size);
  job.from = job.to;
  if (packing.filters_first) {
    job.from = jobs::layout(filters_first(from).dims(),
                            {1, from[1] * from[2] * from[3], from[2] * from[3], from[3]});
  }
  return job;
}

class DeviceKernel final : public Kernel {
 public:
  DeviceKernel(const Site& site, const OpSpec& spec, Recipe recipe)
      : site_(site),
        spec_(spec),
        recipe_(std::move(recipe)),
        params_(param_shapes(spec).size()),
        converted_(params_.size()) {
    recipe_.packing.resize(params_.size());
    for (Packing& packing : recipe_.packing) {
      if (!packing.dtype) packing.dtype = core::compute_dtype(output_spec(spec_).dtype);
    }
  }

  // Values are written over when the device is done with them: by its own stream, or behind it.
  void load_parameters(std::span<const Tensor> params) override {
    check_params(spec_, params);
    std::vector<Tensor> packed, places;
    for (std::size_t i = 0; i < params.size(); ++i) {
      if (params[i].device() == Device::cpu()) {
        packed.push_back(packed_on_host(params[i], recipe_.packing[i]));
        (void)prepared(params_[i], packed.back().shape(), packed.back().dtype());
        places.push_back(params_[i]);
      } else {
        pack_there(i, params[i]);
      }
    }
    core::copy_into(places, packed);
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
  /// `tensor`, uninitialised unless it is already such a one.
  void* prepared(Tensor& tensor, const Shape& shape, DType dtype) const {
    if (!tensor.defined() || tensor.shape() != shape || tensor.dtype() != dtype) {
      tensor = Tensor::empty(shape, dtype, site_.context->device());
    }
    return tensor.raw();
  }
  void launch(const kernels::Job& job) const {
    site_.context->compute([&](runtime::Stream& stream) { site_.engine->launch(stream, job); });
  }
  void pack_there(std::size_t i, const Tensor& param) {
    const Packing& packing = recipe_.packing[i];
    const void* from = param.raw();
    if (param.dtype() != *packing.dtype) {
      Tensor& to = packing.filters_first ? converted_[i] : params_[i];
      kernels::CastJob cast{param.dtype(), *packing.dtype, from,
                            prepared(to, param.shape(), *packing.dtype), param.size()};
      launch(cast);
      if (!packing.filters_first) return;
      from = to.raw();
    }
    const Shape shape = packing.filters_first ? filters_first(param.shape()) : param.shape();
    launch(copy_job(packing, param.shape(), from, prepared(params_[i], shape, *packing.dtype)));
  }

  Site site_;
  OpSpec spec_;
  Recipe recipe_;
  std::vector<Tensor> params_, converted_;
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

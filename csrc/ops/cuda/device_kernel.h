#pragma once
#include <optional>

#include "ops/backend.h"
#include "ops/cuda/site.h"

namespace lamina::ops::cuda {

/// One run of a kernel: what it was given, and the stream that its jobs go to.
class Call {
 public:
  Call(const Site& site, runtime::Stream& stream, const KernelArgs& args,
       std::span<const Tensor> params)
      : site_(site), stream_(stream), args_(args), params_(params) {}

  [[nodiscard]] const void* input(std::size_t i) const { return args_.inputs[i]; }
  /// On the device, as packed.
  [[nodiscard]] const void* param(std::size_t i) const { return params_[i].raw(); }
  [[nodiscard]] void* output() const { return args_.outputs[0]; }
  /// `at` bytes behind the start of the workspace, which is 256-byte aligned.
  [[nodiscard]] std::byte* workspace(std::size_t at = 0) const;
  [[nodiscard]] runtime::Stream& stream() const { return stream_; }
  void launch(const kernels::Job& job) const { site_.engine->launch(stream_, job); }

 private:
  const Site& site_;
  runtime::Stream& stream_;
  const KernelArgs& args_;
  std::span<const Tensor> params_;
};

/// How a parameter lies on the device.
struct Packing {
  std::optional<DType> dtype = {};  ///< by default the type that elements are computed in
  bool filters_first = false;       ///< a kernel (KH, KW, C, F) as (F, KH, KW, C)
};

/// How an operation is done on a device.
struct Recipe {
  /// Gives the jobs to the stream. What it captured lives as long as the kernel.
  std::function<void(const Call&)> run;
  std::size_t workspace = 0;
  /// The input that the output may replace; several, if need be.
  std::vector<std::size_t> in_place = {};
  /// Of the first parameters; the rest lie as Packing's defaults have it.
  std::vector<Packing> packing = {};
};

[[nodiscard]] KernelPtr device_kernel(const Site& site, const OpSpec& spec, Recipe recipe);

/// Where a part of so many bytes begins behind `used` bytes of workspace; `used` grows by it.
[[nodiscard]] inline std::size_t carve(std::size_t& used, std::size_t bytes) {
  const std::size_t at = used;
  used += (bytes + 255) / 256 * 256;
  return at;
}

}  // namespace lamina::ops::cuda

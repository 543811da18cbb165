#pragma once
#include "ops/cuda/device_kernel.h"

namespace lamina::ops::cuda {

/// A forward convolution without bias and activation. Of the paddings that give the same output it
/// has the one that libraries like best.
[[nodiscard]] LibraryConvolution library_op(const Conv2D& op);
/// Likewise: the gradient with respect to the input.
[[nodiscard]] LibraryConvolution library_op(const Conv2DTranspose& op);

/// A library's convolution, with explicit padding around it where the library has none (libraries
/// pad both sides alike, or not at all).
struct PlannedConvolution {
  std::shared_ptr<LibraryPlan> plan;  ///< nothing where no library has it
  bool padded = false;                ///< x is padded, or cropped, by a kernel of ours
  bool to_x = false;                  ///< x is the result
  kernels::PadJob pad{};
  std::size_t plan_at = 0, padded_at = 0, workspace = 0;

  void run(const Call& call, const void* first, const void* second, const void* bias,
           void* result) const;
};

[[nodiscard]] PlannedConvolution plan_convolution(Engine& engine, const LibraryConvolution& op);

/// Whether cuDNN offers engines for `op` that take its padding for another: of 9.19's for gradients
/// with respect to the kernel, eng1 pads both sides alike, and gave wrong gradients on an H200.
[[nodiscard]] bool padding_misread(const LibraryConvolution& op);

/// `op` on an x that is padded already.
[[nodiscard]] LibraryConvolution with_padded_input(LibraryConvolution op);

}  // namespace lamina::ops::cuda

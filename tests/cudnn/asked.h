#pragma once
#include <lamina/model.h>

#include <map>
#include <string>
#include <vector>

#include "ops/cuda/library_op.h"

namespace lamina::ops::cuda {

/// Operations by what describe() says of them: each once.
using Asked = std::map<std::string, LibraryOp>;

/// The images that an application takes, so many of them: of 224 by 224 where it takes any.
[[nodiscard]] Shape images_of(const Model& application, std::int64_t batch);

/// What the backend asks libraries for on behalf of every application at its own image size, as
/// predict() runs it.
[[nodiscard]] Asked asked_by_applications(std::int64_t batch);

/// What is easily forgotten: groups, depthwise, dilation, transposed, unequal padding, odd sizes.
[[nodiscard]] Asked edge_cases();

/// `op` in another dtype, or the convolution in another direction (without bias and activation).
[[nodiscard]] LibraryOp with(LibraryOp op, DType dtype);
[[nodiscard]] LibraryConvolution with(LibraryConvolution op,
                                      LibraryConvolution::Direction direction);

}  // namespace lamina::ops::cuda

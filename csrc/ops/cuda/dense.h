#pragma once
#include "ops/cuda/device_kernel.h"

namespace lamina::ops::cuda {

/// Nothing where no library has the product.
[[nodiscard]] std::shared_ptr<LibraryPlan> plan_product(Engine& engine, const LibraryProduct& op);

/// How a product of matrices is done, by a library where one has it. Convolutions of one point are
/// such products: their kernels (1, 1, K, N) lie as Dense's (K, N).
[[nodiscard]] Recipe product_recipe(const Site& site, const Dense& op);
[[nodiscard]] Recipe product_recipe(const Site& site, const DenseKernelGradient& op);

}  // namespace lamina::ops::cuda

#include <algorithm>

#include "ops/cuda/dense.h"
#include "ops/cuda/kernels.h"
#include "ops/jobs/layouts.h"

namespace lamina::ops::cuda {
namespace {

LibraryProduct product_of(const MatMul& op) {
  const MatMulSizes sizes(op);
  LibraryProduct out;
  out.dtype = op.x0.dtype;
  out.transpose_a = op.transpose_x0;
  out.transpose_b = op.transpose_x1;
  out.rows = sizes.rows;
  out.columns = sizes.columns;
  out.depth = sizes.depth;
  out.matrices = sizes.matrices;
  out.scale = op.scale;
  out.wide = op.y.dtype != op.x0.dtype;
  return out;
}

/// cuBLASLt takes fewer than 2^16 matrices at once. A multiple of 64, so that what follows them is
/// as aligned as they are.
constexpr std::int64_t kMostMatrices = (std::int64_t{1} << 16) - 64;

/// A library's product of so many of the matrices, from the first of them on.
struct Part {
  std::shared_ptr<LibraryPlan> plan;
  std::int64_t first;
};

/// None where no library has all of it.
std::vector<Part> library_parts(Engine& engine, const LibraryProduct& all) {
  std::vector<Part> parts;
  for (std::int64_t first = 0; first < all.matrices; first += kMostMatrices) {
    LibraryProduct some = all;
    some.matrices = std::min(kMostMatrices, all.matrices - first);
    parts.push_back({plan_product(engine, some), first});
    if (parts.back().plan == nullptr) return {};
  }
  return parts;
}

/// Where matrix number `index` of so many elements begins.
template <class Byte>
Byte* matrix_at(Byte* first, std::int64_t index, std::int64_t elements, DType dtype) {
  return first + static_cast<std::size_t>(index * elements) * dtype_size(dtype);
}

Recipe by_library(const LibraryProduct& product, std::vector<Part> parts) {
  std::size_t workspace = 0;
  for (const Part& part : parts) workspace = std::max(workspace, part.plan->workspace_bytes());
  return {.run =
              [product, parts = std::move(parts)](const Call& call) {
                const auto* const a = static_cast<const std::byte*>(call.input(0));
                const auto* const b = static_cast<const std::byte*>(call.input(1));
                auto* const c = static_cast<std::byte*>(call.output());
                const std::int64_t rows = product.rows, columns = product.columns,
                                   depth = product.depth;
                for (const Part& part : parts) {
                  part.plan->run(call.stream(),
                                 {matrix_at(a, part.first, rows * depth, product.dtype),
                                  matrix_at(b, part.first, depth * columns, product.dtype), nullptr,
                                  matrix_at(c, part.first, rows * columns, product.result()),
                                  call.workspace()});
                }
              },
          .workspace = workspace};
}

/// By a kernel of ours, for what no library has.
Recipe direct(const LibraryProduct& product) {
  kernels::ProductJob job{};
  job.dtype = product.dtype;
  job.transpose_a = product.transpose_a;
  job.transpose_b = product.transpose_b;
  job.b_like_a = true;
  job.wide_c = product.wide;
  if (product.scale != 1) job.function = jobs::function({Unary::kScaleShift, product.scale, 0});
  job.rows = product.rows;
  job.columns = product.columns;
  job.depth = product.depth;
  job.matrices = product.matrices;
  return {.run = [job](const Call& call) mutable {
    job.a = call.input(0);
    job.b = call.input(1);
    job.c = call.output();
    call.launch(job);
  }};
}

}  // namespace

KernelPtr make(const Site& site, const MatMul& op) {
  const LibraryProduct product = product_of(op);
  std::vector<Part> parts = library_parts(*site.engine, product);
  return device_kernel(site, op,
                       parts.empty() ? direct(product) : by_library(product, std::move(parts)));
}

}  // namespace lamina::ops::cuda

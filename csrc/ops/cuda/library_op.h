#pragma once
#include <string>
#include <variant>

#include "core/compute_dtype.h"
#include "ops/spec.h"

// What libraries are asked for.
namespace lamina::ops::cuda {

/// A convolution between x (N,H,W,C) and y (N,H',W',F), in one of three directions. The kernel lies
/// as (F, KH, KW, C/groups), in `dtype` like x and y; a bias (F) too.
struct LibraryConvolution {
  enum class Direction : std::uint8_t {
    kForward,  ///< y = act(x * kernel + bias)
    kInput,    ///< x, the gradient with respect to it, from y and kernel
    kKernel,   ///< the kernel, the gradient with respect to it, from x and y
  };
  Direction direction = Direction::kForward;
  DType dtype = DType::kFloat32;
  Shape x, y;
  Pair kernel{1, 1}, strides{1, 1}, dilation{1, 1}, before{0, 0}, after{0, 0};
  std::int64_t groups = 1;
  bool bias = false;        ///< kForward only
  Activation activation{};  ///< kForward only
};

/// c (rows, columns) = act(a * b + bias), all of `dtype`; a (rows, depth), or (depth, rows) with
/// `transpose_a`; b (depth, columns), or (columns, depth). The activation is linear or relu.
/// Of several `matrices`, which lie one behind the other, or with a `scale`, c = scale * (a * b),
/// without bias and activation; with `wide` c is of the type that elements are computed in.
struct LibraryProduct {
  DType dtype = DType::kFloat32;
  bool transpose_a = false, transpose_b = false;
  std::int64_t rows = 0, columns = 0, depth = 0;
  bool bias = false, relu = false;
  std::int64_t matrices = 1;
  double scale = 1;
  bool wide = false;
  [[nodiscard]] DType result() const { return wide ? core::compute_dtype(dtype) : dtype; }
};

/// y = (x - mean) / sqrt(variance + epsilon) * gamma + beta for each of `rows` rows of `width`
/// elements, the variance biased; x and y of `dtype`, gamma and beta (width) float32.
struct LibraryNorm {
  DType dtype = DType::kFloat32;
  std::int64_t rows = 0, width = 0;
  double epsilon = 1e-3;
};

using LibraryOp = std::variant<LibraryConvolution, LibraryProduct, LibraryNorm>;

/// Whether libraries compute in it.
[[nodiscard]] inline bool has_library(DType dtype) {
  return is_floating(dtype) && core::compute_dtype(dtype) == DType::kFloat32;
}

/// "convolution forward float32 (1, 8, 8, 3) -> ...": names a LibraryOp and nothing but equals: the
/// key of plans, and of the table of engines.
[[nodiscard]] std::string describe(const LibraryOp& op);

}  // namespace lamina::ops::cuda

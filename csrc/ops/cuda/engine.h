#pragma once
#include <memory>
#include <variant>

#include "kernels/jobs.h"
#include "ops/spec.h"
#include "runtime/runtime.h"

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
struct LibraryProduct {
  DType dtype = DType::kFloat32;
  bool transpose_a = false, transpose_b = false;
  std::int64_t rows = 0, columns = 0, depth = 0;
  bool bias = false, relu = false;
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
  return dtype == DType::kFloat32 || dtype == DType::kFloat16 || dtype == DType::kBFloat16;
}

/// "convolution forward float32 (1, 8, 8, 3) -> ...": names a LibraryOp and nothing but equals: the
/// key of plans, and of the table of engines.
[[nodiscard]] std::string describe(const LibraryOp& op);

/// What a plan reads and writes, on the device: x (or a), then kernel (or b, or gamma), as the op
/// has them; the bias, or beta. kInput reads y and the kernel; kKernel reads x and y.
struct LibraryArgs {
  const void *first, *second, *bias;
  void* result;
  void* workspace;  ///< 256-byte aligned
};

/// One operation of a library, planned for one set of shapes. Used from one thread at a time.
class LibraryPlan {
 public:
  virtual ~LibraryPlan() = default;
  [[nodiscard]] virtual std::size_t workspace_bytes() const = 0;
  virtual void run(runtime::Stream& stream, const LibraryArgs& args) = 0;
};

/// What computes on a device: our kernels, and the libraries. Safe to use from several threads.
class Engine {
 public:
  virtual ~Engine() = default;
  /// Gives `job` to the stream. Throws DeviceError when the launch fails.
  virtual void launch(runtime::Stream& stream, const kernels::Job& job) = 0;
  /// Nothing where no library has the operation; a kernel of ours does it then. Throws BackendError
  /// when a library fails.
  [[nodiscard]] virtual std::shared_ptr<LibraryPlan> plan(const LibraryOp& op) = 0;
};

}  // namespace lamina::ops::cuda

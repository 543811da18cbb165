#pragma once
#include <lamina/dtype.h>
#include <lamina/shape.h>

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "kernels/elementwise_kinds.h"

// The primitive operations as plain values. Layers lower to them, passes rewrite them, a Backend
// turns each into a Kernel. Images are NHWC, all shapes concrete. "inputs" are values that flow;
// "params" are tensors that change only when weights do, so a kernel may repack them once. Adding
// an operation: a struct here, a row in ops.def; the compiler then names each missing body.
namespace lamina::ops {

struct TensorSpec {
  Shape shape;
  DType dtype = DType::kFloat32;
  [[nodiscard]] std::size_t nbytes() const {
    return static_cast<std::size_t>(shape.size()) * dtype_size(dtype);
  }
  friend bool operator==(const TensorSpec&, const TensorSpec&) = default;
};

using Unary = kernels::UnaryKind;
using Binary = kernels::BinaryKind;

/// An elementwise function with its parameters; their meaning is beside each functor.
struct Activation {
  Unary kind = Unary::kLinear;
  double a = 0, b = 0, c = 0;
  friend bool operator==(const Activation&, const Activation&) = default;
};

/// relu with Keras's parameters.
[[nodiscard]] inline Activation relu(double negative_slope = 0,
                                     double max_value = std::numeric_limits<double>::infinity(),
                                     double threshold = 0) {
  return {Unary::kRelu, negative_slope, max_value, threshold};
}

using Pair = std::array<std::int64_t, 2>;

/// inputs: x (N,H,W,C) [, residual like y]; params: kernel (KH,KW,C/groups,F) [, bias (F)].
/// y = act(conv(x) + bias) + residual. Depthwise: groups == C (filters f belong to group
/// f*groups/F).
struct Conv2D {
  TensorSpec x, y;
  Pair kernel{1, 1}, strides{1, 1}, dilation{1, 1}, pad_before{0, 0}, pad_after{0, 0};
  std::int64_t groups = 1;
  bool bias = false, residual = false;
  Activation activation{};
};

/// The gradient of Conv2D with respect to its input. inputs: x (N,H,W,C); params: kernel
/// (KH,KW,F/groups,C) [, bias (F)]. `pad_*` crop the full output: y_size = (x_size-1)*stride +
/// dilated_kernel - pads, where a negative pad_after appends rows that only the bias reaches
/// (output_padding).
struct Conv2DTranspose {
  TensorSpec x, y;
  Pair kernel{1, 1}, strides{1, 1}, dilation{1, 1}, pad_before{0, 0}, pad_after{0, 0};
  std::int64_t groups = 1;
  bool bias = false;
  Activation activation{};
};

/// inputs: x (..., K) [, residual like y]; params: kernel (K, N) [, bias (N)]. y (..., N).
/// `transposed`: the kernel is (N, K), as the gradient with respect to x has it.
struct Dense {
  TensorSpec x, y;
  bool bias = false, residual = false, transposed = false;
  Activation activation{};
};

/// inputs: x0 (..., M, K), x1 (..., K, N), one dtype, with equal leading axes; (..., K, M) and
/// (..., N, K) where transposed. y = scale * x0 x1 (..., M, N), a product of matrices for each
/// index of the leading axes; of the inputs' dtype or, of half-width floats, float32.
struct MatMul {
  TensorSpec x0, x1, y;
  bool transpose_x0 = false, transpose_x1 = false;
  double scale = 1;
};

/// The sizes of one of its products, and how many there are.
struct MatMulSizes {
  std::int64_t matrices, rows, columns, depth;
  explicit MatMulSizes(const MatMul& op)
      : matrices(1),
        rows(op.y.shape[-2]),
        columns(op.y.shape[-1]),
        depth(op.x0.shape[op.transpose_x0 ? -2 : -1]) {
    for (std::size_t i = 0; i + 2 < op.y.shape.rank(); ++i) matrices *= op.y.shape.dims()[i];
  }
};

/// inputs: x (N,H,W,C). Average leaves padding out of the count, as Keras does.
struct Pool2D {
  enum class Kind : std::uint8_t { kMax, kAverage };
  Kind kind = Kind::kMax;
  TensorSpec x, y;
  Pair window{1, 1}, strides{1, 1}, pad_before{0, 0}, pad_after{0, 0};
};

/// inputs: x; reduces `axes` (sorted, non-negative). y's shape says whether they are kept.
struct Reduce {
  enum class Kind : std::uint8_t { kMean, kMax, kSum };
  Kind kind = Kind::kMean;
  TensorSpec x, y;
  std::vector<std::size_t> axes;
};

/// inputs: x. Elementwise.
struct UnaryOp {
  TensorSpec x, y;
  Activation activation{};
};

/// inputs: x0, x1, broadcast as numpy does; one dtype. y = act(op(x0, x1)).
struct BinaryOp {
  Binary kind = Binary::kAdd;
  TensorSpec x0, x1, y;
  Activation activation{};
};

/// inputs: x; params: [gamma,] [beta,] moving_mean, moving_variance, each (size of `axis`).
/// y = act((x - mean) / sqrt(variance + epsilon) * gamma + beta), elements widened to float.
struct BatchNorm {
  TensorSpec x, y;
  std::size_t axis = 3;
  double epsilon = 1e-3;
  bool scale = true, center = true;
  Activation activation{};
};

/// inputs: x; params: [gamma,] [beta] with the sizes of `axes` (sorted) in order. Biased variance.
/// `rms`: x / sqrt(mean square + epsilon) [* gamma], as if the mean were 0.
struct LayerNorm {
  TensorSpec x, y;
  std::vector<std::size_t> axes;
  double epsilon = 1e-3;
  bool scale = true, center = true, rms = false;
};

/// inputs: x. Softmax over `axes` jointly.
struct Softmax {
  TensorSpec x, y;
  std::vector<std::size_t> axes;
  bool log = false;
};

/// inputs: any number along `axis`, one dtype.
struct Concat {
  std::vector<TensorSpec> xs;
  TensorSpec y;
  std::size_t axis = 0;
};

/// inputs: x. Constant padding; a negative amount crops.
struct Pad {
  TensorSpec x, y;
  std::vector<std::int64_t> before, after;
  double value = 0;
};

/// inputs: x (N,H,W,C) -> y (N,H',W',C), half-pixel centres (jax.image.resize's rules).
/// `antialias`: along an axis that shrinks the filter is as much wider; not of the nearest.
struct Resize2D {
  enum class Kind : std::uint8_t { kNearest, kBilinear, kBicubic, kLanczos3, kLanczos5 };
  Kind kind = Kind::kNearest;
  TensorSpec x, y;
  bool antialias = false;
};

/// inputs: x. y dimension i is x dimension perm[i].
struct Transpose {
  TensorSpec x, y;
  std::vector<std::size_t> perm;
};

/// inputs: x. The same bytes under another shape; the plan makes it a view.
struct Reshape {
  TensorSpec x, y;
};

/// inputs: ids (any shape; integer or floating dtype, truncated) [, table (rows, width) where it
/// `flows`]; params: table otherwise. y: ids.shape + (width). An id outside [0, rows) throws
/// ValueError when the kernel runs.
struct Gather {
  TensorSpec ids, y;
  std::int64_t rows = 0;
  bool flows = false;
  [[nodiscard]] TensorSpec table() const { return {{rows, y.shape[-1]}, y.dtype}; }
};

/// inputs: x. y int32: where along the last axis each element of it stands that has been sorted.
/// NaN is greater than all else. Of equal ones the first comes first, also where `descending`,
/// which takes 0 to be greater than -0.
struct Argsort {
  TensorSpec x, y;
  bool descending = false;
};

/// inputs: x; y has another dtype.
struct Cast {
  TensorSpec x, y;
};

// What training adds. `of` is the operation that was differentiated; "dy" is the gradient with
// respect to its output, shaped like it.

/// inputs: x, state (2) uint64: a seed and a counter. y = x / (1 - rate) where element i is kept,
/// else 0; what is kept depends on the state, `stream` and i alone, so the same operation on dy is
/// the gradient.
struct Dropout {
  TensorSpec x, y;
  double rate = 0.5;
  std::uint32_t stream = 0;
};

/// inputs: x, state (2) uint64. y = x + stddev n, or x (1 + stddev n), where n is of a standard
/// normal distribution and depends on the state, `stream` and its place alone: so the latter on dy
/// is its own gradient.
struct Noise {
  enum class Kind { kAdded, kFactor };
  TensorSpec x, y;
  Kind kind = Kind::kAdded;
  double stddev = 1;
  std::uint32_t stream = 0;
};

/// No inputs; params: one, which becomes the value y.
struct ParamValue {
  TensorSpec y;
};

/// inputs: x. y (2, size of `axis`), widened to float at least: mean and biased variance of each
/// channel.
struct BatchNormStatistics {
  TensorSpec x, y;
  std::size_t axis = 3;
};

/// inputs: x, statistics (2, size of `axis`); params: [gamma,] [beta].
/// y = act((x - mean) / sqrt(variance + epsilon) * gamma + beta).
struct BatchNormTraining {
  TensorSpec x, statistics, y;
  std::size_t axis = 3;
  double epsilon = 1e-3;
  bool scale = true, center = true;
  Activation activation{};
};

/// inputs: x, statistics, dy; params: [gamma,] [beta]. y (2, size of `axis`): with z what the
/// activation received and n the normalised x, the sums of dz and of dz * n over each channel: the
/// gradients with respect to beta and gamma.
struct BatchNormSums {
  BatchNormTraining of;
  TensorSpec y;
};

/// inputs: x, statistics, dy, sums (see BatchNormSums); params: [gamma,] [beta]. The gradient with
/// respect to x, on which the statistics depend too.
struct BatchNormGradient {
  BatchNormTraining of;
  TensorSpec sums, y;
};

/// inputs: x, dy. y: the gradient with respect to the kernel.
struct Conv2DKernelGradient {
  Conv2D of;
  TensorSpec y;
};

/// inputs: x, dy. y (K, N).
struct DenseKernelGradient {
  Dense of;
  TensorSpec y;
};

/// inputs: [x (max only),] dy. The first of several largest elements takes all.
struct Pool2DGradient {
  Pool2D of;
  TensorSpec y;
};

/// inputs: [x, the reduction's output (max only),] dy. The largest elements share evenly.
struct ReduceGradient {
  Reduce of;
  TensorSpec y;
};

/// inputs: x, dy; or with `from_output` act(x), dy (see derivative_from_output). y = dy * act'(x).
struct UnaryGradient {
  UnaryOp of;
  bool from_output = false;
  TensorSpec y;
};

/// inputs: x0, x1, dy. The gradient with respect to operand 0 or 1, before it is summed over what
/// broadcasting repeated: y is shaped like dy.
struct BinaryGradient {
  BinaryOp of;
  std::size_t operand = 0;
  TensorSpec y;
};

/// inputs: x, dy; params: [gamma]. The gradient with respect to x.
struct LayerNormGradient {
  LayerNorm of;
  TensorSpec y;
};

/// inputs: x, dy. y (2, sizes of `axes` in order), widened to float at least: the gradients with
/// respect to beta and gamma.
struct LayerNormSums {
  LayerNorm of;
  TensorSpec y;
};

/// inputs: softmax(x), dy.
struct SoftmaxGradient {
  Softmax of;
  TensorSpec y;
};

/// inputs: dy.
struct Resize2DGradient {
  Resize2D of;
  TensorSpec y;
};

/// inputs: ids, dy. y (rows, width): each row the sum of the dy of its ids, all of which `of` took.
struct GatherGradient {
  Gather of;
  TensorSpec y;
};

/// The first argument is nothing, so that the list may begin with a comma.
template <class, class... Ops>
using VariantOf = std::variant<Ops...>;

// clang-format off
using OpSpec = VariantOf<void
#define LAMINA_OP(Op, name, dtypes, inputs) , Op
#include "ops/ops.def"
>;
// clang-format on

}  // namespace lamina::ops

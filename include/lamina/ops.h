#pragma once
#include <lamina/axes.h>
#include <lamina/layer.h>
#include <lamina/ops_nn.h>

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

/// Keras's operations on placeholders (keras.ops), in functional models and in `call` of layers of
/// one's own, with Keras's names, order of arguments and defaults:
///
///     auto x = layers::Input({.shape = {8, 4}});
///     auto y = ops::mean(ops::square(x), 1, true);
///     auto z = ops::get_item(2.0 * x / ops::sqrt(y + 1e-3), {ops::Slice{}, 0});
///
/// Shapes broadcast as numpy's do, and dtypes promote as Keras's: a number takes a tensor's dtype
/// unless it has a point and the tensor is of integers, which then both are float32. float64 and
/// int64 stay as they are, where Keras on JAX has 32 bits. No policy casts what an operation is
/// given, and masks end at one. In a model each operation is a node with a name, as Keras has it
/// ("add", "add_1"), but not among `layers`.
///
/// All throw ValueError naming the operation for shapes and arguments that do not fit, and for an
/// undefined tensor; UnsupportedError for dtypes that it has no arithmetic for: but for those that
/// say otherwise, integers and bools may only be added, subtracted, multiplied, compared, reduced,
/// moved and cast.
namespace lamina::ops {

/// What is true or false is none: Keras has it as a bool.
template <class T>
concept Integer = std::integral<T> && !std::same_as<T, bool>;

/// A tensor, or a number, which keeps whether it was written with a point.
class Operand {
 public:
  Operand(SymbolicTensor tensor) : value_(std::move(tensor)) {}     // NOLINT: implicit
  template <Integer T>                                              //
  Operand(T number) : value_(static_cast<std::int64_t>(number)) {}  // NOLINT
  template <std::floating_point T>                                  //
  Operand(T number) : value_(static_cast<double>(number)) {}        // NOLINT
  [[nodiscard]] const std::variant<SymbolicTensor, double, std::int64_t>& value() const noexcept {
    return value_;
  }

 private:
  std::variant<SymbolicTensor, double, std::int64_t> value_;
};

// Of two operands, of which one at least is a tensor.
SymbolicTensor add(const Operand& x1, const Operand& x2);
SymbolicTensor subtract(const Operand& x1, const Operand& x2);
SymbolicTensor multiply(const Operand& x1, const Operand& x2);
/// Floating, of integers float32.
SymbolicTensor divide(const Operand& x1, const Operand& x2);
SymbolicTensor true_divide(const Operand& x1, const Operand& x2);
/// The same, and 0 where x2 is 0.
SymbolicTensor divide_no_nan(const Operand& x1, const Operand& x2);
SymbolicTensor maximum(const Operand& x1, const Operand& x2);
SymbolicTensor minimum(const Operand& x1, const Operand& x2);
/// Of floats. NaN where x1 is negative and x2 no whole number.
SymbolicTensor power(const Operand& x1, const Operand& x2);
/// The quotient made a whole number downwards, and what is left, with x2's sign. Not of integers of
/// 64 bits; of integers the divisor is not 0.
SymbolicTensor floor_divide(const Operand& x1, const Operand& x2);
SymbolicTensor mod(const Operand& x1, const Operand& x2);
/// What is left with x1's sign, likewise.
SymbolicTensor fmod(const Operand& x1, const Operand& x2);
/// maximum and minimum that give the number where the other operand is NaN.
SymbolicTensor fmax(const Operand& x1, const Operand& x2);
SymbolicTensor fmin(const Operand& x1, const Operand& x2);
// Floating, of integers float32.
/// The angle, in radians, of the point (x2, x1), from -pi to pi.
SymbolicTensor arctan2(const Operand& x1, const Operand& x2);
/// The logarithm of the sum of exponentials, of base e and of base 2.
SymbolicTensor logaddexp(const Operand& x1, const Operand& x2);
SymbolicTensor logaddexp2(const Operand& x1, const Operand& x2);
// Floating, of int64 float64, of other integers float32.
/// The root of the sum of squares.
SymbolicTensor hypot(const SymbolicTensor& x1, const SymbolicTensor& x2);
/// 0 where x1 is negative, 1 where it is positive, x2 where it is 0.
SymbolicTensor heaviside(const SymbolicTensor& x1, const SymbolicTensor& x2);

// The same, giving bools.
SymbolicTensor equal(const Operand& x1, const Operand& x2);
SymbolicTensor not_equal(const Operand& x1, const Operand& x2);
SymbolicTensor greater(const Operand& x1, const Operand& x2);
SymbolicTensor greater_equal(const Operand& x1, const Operand& x2);
SymbolicTensor less(const Operand& x1, const Operand& x2);
SymbolicTensor less_equal(const Operand& x1, const Operand& x2);
/// Whether |x1 - x2| <= atol + rtol |x2|, both floats (integers are made float32) and x2 finite, or
/// x1 is x2. NaN is close to nothing, or with `equal_nan` to NaN.
SymbolicTensor isclose(const Operand& x1, const Operand& x2, double rtol = 1e-5, double atol = 1e-8,
                       bool equal_nan = false);
/// What is not 0 is true.
SymbolicTensor logical_and(const SymbolicTensor& x1, const SymbolicTensor& x2);
SymbolicTensor logical_or(const SymbolicTensor& x1, const SymbolicTensor& x2);
SymbolicTensor logical_xor(const SymbolicTensor& x1, const SymbolicTensor& x2);
SymbolicTensor logical_not(const SymbolicTensor& x);
SymbolicTensor isnan(const SymbolicTensor& x);
SymbolicTensor isinf(const SymbolicTensor& x);
SymbolicTensor isposinf(const SymbolicTensor& x);
SymbolicTensor isneginf(const SymbolicTensor& x);
SymbolicTensor isfinite(const SymbolicTensor& x);
/// Whether there is a sign, as -0 has one. Not of bools.
SymbolicTensor signbit(const SymbolicTensor& x);
/// x1 where the condition is true (not 0), else x2.
SymbolicTensor where(const SymbolicTensor& condition, const Operand& x1, const Operand& x2);

// Elementwise. Integers are made float32 first, but by absolute, negative, sign, square, round and
// clip, which keep them.
SymbolicTensor absolute(const SymbolicTensor& x);
SymbolicTensor abs(const SymbolicTensor& x);
SymbolicTensor negative(const SymbolicTensor& x);
SymbolicTensor sign(const SymbolicTensor& x);
SymbolicTensor square(const SymbolicTensor& x);
SymbolicTensor exp(const SymbolicTensor& x);
SymbolicTensor expm1(const SymbolicTensor& x);
SymbolicTensor log(const SymbolicTensor& x);
SymbolicTensor log1p(const SymbolicTensor& x);
SymbolicTensor log2(const SymbolicTensor& x);
SymbolicTensor log10(const SymbolicTensor& x);
SymbolicTensor sqrt(const SymbolicTensor& x);
SymbolicTensor reciprocal(const SymbolicTensor& x);
SymbolicTensor deg2rad(const SymbolicTensor& x);
SymbolicTensor rad2deg(const SymbolicTensor& x);
SymbolicTensor sin(const SymbolicTensor& x);
SymbolicTensor cos(const SymbolicTensor& x);
SymbolicTensor tan(const SymbolicTensor& x);
SymbolicTensor arctan(const SymbolicTensor& x);
// NaN where there is no such angle: arcsin, arccos and arctanh are of -1 to 1, arccosh from 1 on.
SymbolicTensor arcsin(const SymbolicTensor& x);
SymbolicTensor arccos(const SymbolicTensor& x);
SymbolicTensor arcsinh(const SymbolicTensor& x);
SymbolicTensor arccosh(const SymbolicTensor& x);
SymbolicTensor arctanh(const SymbolicTensor& x);
/// Of int64 float64.
SymbolicTensor cbrt(const SymbolicTensor& x);
SymbolicTensor exp2(const SymbolicTensor& x);
/// 1 - erf(x)
SymbolicTensor erfc(const SymbolicTensor& x);
/// sin(pi x) / (pi x), and 1 at 0.
SymbolicTensor sinc(const SymbolicTensor& x);
SymbolicTensor sinh(const SymbolicTensor& x);
SymbolicTensor cosh(const SymbolicTensor& x);
SymbolicTensor tanh(const SymbolicTensor& x);
// Their gradient is 0. What is halfway is rounded to the even neighbour.
SymbolicTensor floor(const SymbolicTensor& x);
SymbolicTensor ceil(const SymbolicTensor& x);
SymbolicTensor round(const SymbolicTensor& x, std::int64_t decimals = 0);
SymbolicTensor clip(const SymbolicTensor& x, const Operand& x_min, const Operand& x_max);
/// x, of any dtype, with numbers in place of NaN and of infinities, by default the largest that the
/// dtype has.
SymbolicTensor nan_to_num(const SymbolicTensor& x, double nan = 0,
                          std::optional<double> posinf = {}, std::optional<double> neginf = {});
/// x, of any dtype, through which no gradient goes.
SymbolicTensor stop_gradient(const SymbolicTensor& x);
// Of floating tensors alone.
SymbolicTensor rsqrt(const SymbolicTensor& x);
SymbolicTensor erf(const SymbolicTensor& x);

/// No axes: all. What is reduced has size 1 with `keepdims`, and is gone without.
using ReducedAxes = std::optional<layers::Axes>;
/// Of integers float32.
SymbolicTensor mean(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
/// Of bools and of integers of less than 32 bits one of 32.
SymbolicTensor sum(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
SymbolicTensor prod(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
SymbolicTensor max(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
SymbolicTensor amax(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
// Not of integers of 64 bits.
SymbolicTensor min(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
SymbolicTensor amin(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
/// The greatest less the least, of floats.
SymbolicTensor ptp(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
// Biased; of integers float32.
SymbolicTensor var(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
SymbolicTensor std(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
// The same of what is not NaN: 0, 1, and NaN for the other three where there is nothing else.
SymbolicTensor nansum(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
SymbolicTensor nanprod(const SymbolicTensor& x, const ReducedAxes& axis = {},
                       bool keepdims = false);
SymbolicTensor nanmean(const SymbolicTensor& x, const ReducedAxes& axis = {},
                       bool keepdims = false);
SymbolicTensor nanmax(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
SymbolicTensor nanmin(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
/// The logarithm of the sum of exponentials; of integers float32.
SymbolicTensor logsumexp(const SymbolicTensor& x, const ReducedAxes& axis = {},
                         bool keepdims = false);
/// The Euclidean norm of all elements of the axes; with one axis, of any order (infinity: the
/// largest size, 0: how many are not 0). Of integers float32.
SymbolicTensor norm(const SymbolicTensor& x, const std::optional<Operand>& ord = {},
                    const ReducedAxes& axis = {}, bool keepdims = false);
/// int32
SymbolicTensor count_nonzero(const SymbolicTensor& x, const ReducedAxes& axis = {});
// The place of the largest, of the smallest element; the first of several, of NaN before all
// others. int32. No axis: among all. argmin not of integers of 64 bits.
SymbolicTensor argmax(const SymbolicTensor& x, std::optional<std::int64_t> axis = {},
                      bool keepdims = false);
SymbolicTensor argmin(const SymbolicTensor& x, std::optional<std::int64_t> axis = {},
                      bool keepdims = false);
// The sum, the product of an axis's elements so far. No axis: of all elements in a row.
SymbolicTensor cumsum(const SymbolicTensor& x, std::optional<std::int64_t> axis = {},
                      std::optional<DType> dtype = {});
SymbolicTensor cumprod(const SymbolicTensor& x, std::optional<std::int64_t> axis = {},
                       std::optional<DType> dtype = {});
/// Each element of the axis but the first less the one before it, n times over. Not of bools.
SymbolicTensor diff(const SymbolicTensor& a, std::int64_t n = 1, std::int64_t axis = -1);
// Of any dtype, in ascending order; NaN is behind all else, and of equal ones the first comes
// first. No axis: all elements in a row.
SymbolicTensor sort(const SymbolicTensor& x, std::optional<std::int64_t> axis = -1);
/// Where the elements stand that have been sorted. int32
SymbolicTensor argsort(const SymbolicTensor& x, std::optional<std::int64_t> axis = -1);
/// Two tensors: the k greatest elements of the last axis from the greatest on, and their places,
/// int32. NaN is the greatest, and 0 greater than -0. They are sorted whatever `sorted` says.
SymbolicTensors top_k(const SymbolicTensor& x, std::int64_t k, bool sorted = true);
/// What half of the elements lie below: between the two in the middle, where there are two. NaN
/// where there is one; of integers float32.
SymbolicTensor median(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
/// What this part of the elements, `q` from 0 to 1, lies below; on a line between neighbours.
SymbolicTensor quantile(const SymbolicTensor& x, double q, const ReducedAxes& axis = {},
                        bool keepdims = false);
/// The same, `q` from 0 to 100.
SymbolicTensor percentile(const SymbolicTensor& x, double q, const ReducedAxes& axis = {},
                          bool keepdims = false);
SymbolicTensor any(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
SymbolicTensor all(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);

// Of any dtype.
/// The batch is an axis like others: {-1, 4}. One size may be -1.
SymbolicTensor reshape(const SymbolicTensor& x, const std::vector<std::int64_t>& newshape);
/// No axes: all in reverse.
SymbolicTensor transpose(const SymbolicTensor& x,
                         const std::optional<std::vector<std::int64_t>>& axes = {});
SymbolicTensor swapaxes(const SymbolicTensor& x, std::int64_t axis1, std::int64_t axis2);
SymbolicTensor moveaxis(const SymbolicTensor& x, const layers::Axes& source,
                        const layers::Axes& destination);
/// (-1)
SymbolicTensor ravel(const SymbolicTensor& x);
/// No axes: all that are known to have size 1.
SymbolicTensor squeeze(const SymbolicTensor& x, const ReducedAxes& axis = {});
SymbolicTensor expand_dims(const SymbolicTensor& x, const layers::Axes& axis);
SymbolicTensor concatenate(const SymbolicTensors& xs, std::int64_t axis = 0);
SymbolicTensor stack(const SymbolicTensors& x, std::int64_t axis = 0);
/// concatenate of the second axis, and of the first.
SymbolicTensor hstack(const SymbolicTensors& xs);
SymbolicTensor vstack(const SymbolicTensors& xs);
/// Into so many parts alike, or at these indices, which ascend: one part more than there are.
SymbolicTensors split(const SymbolicTensor& x, std::int64_t sections, std::int64_t axis = 0);
SymbolicTensors split(const SymbolicTensor& x, const std::vector<std::int64_t>& indices,
                      std::int64_t axis = 0);
/// The elements of an axis, without it. `num`: how many there are, where the shape does not say.
SymbolicTensors unstack(const SymbolicTensor& x, std::optional<std::int64_t> num = {},
                        std::int64_t axis = 0);
/// No axes: all.
SymbolicTensor flip(const SymbolicTensor& x, const ReducedAxes& axis = {});
/// The second axis; the first.
SymbolicTensor fliplr(const SymbolicTensor& x);
SymbolicTensor flipud(const SymbolicTensor& x);
/// k quarter turns from the first of the two axes towards the second.
SymbolicTensor rot90(const SymbolicTensor& array, std::int64_t k = 1,
                     const layers::Axes& axes = {0, 1});
/// By one number for all axes, or one for each. No axes: all elements in a row.
SymbolicTensor roll(const SymbolicTensor& x, const layers::Axes& shift,
                    const ReducedAxes& axis = {});
SymbolicTensor tile(const SymbolicTensor& x, const layers::Axes& repeats);
/// Each element so many times, or each of the axis its own number. No axis: all in a row.
SymbolicTensor repeat(const SymbolicTensor& x, const layers::Axes& repeats,
                      std::optional<std::int64_t> axis = {});
SymbolicTensor broadcast_to(const SymbolicTensor& x, const std::vector<std::int64_t>& shape);
/// `pad_width`: what goes before and behind each axis, or one pair for all. `mode`: "constant",
/// with 0 if there is no value, "reflect", "symmetric" or "edge".
SymbolicTensor pad(const SymbolicTensor& x,
                   const std::vector<std::pair<std::int64_t, std::int64_t>>& pad_width,
                   const std::string& mode = "constant",
                   std::optional<Operand> constant_values = {});
// The last two axes with 0 above, or below, diagonal k.
SymbolicTensor tril(const SymbolicTensor& x, std::int64_t k = 0);
SymbolicTensor triu(const SymbolicTensor& x, std::int64_t k = 0);
/// The diagonal `offset` above the main one of the planes of two axes, as the last axis.
SymbolicTensor diagonal(const SymbolicTensor& x, std::int64_t offset = 0, std::int64_t axis1 = 0,
                        std::int64_t axis2 = 1);
/// Of a matrix its diagonal k; of a vector the matrix whose diagonal k it is, 0 elsewhere.
SymbolicTensor diag(const SymbolicTensor& x, std::int64_t k = 0);
SymbolicTensor cast(const SymbolicTensor& x, DType dtype);
/// What the dtype cannot hold, infinities too, becomes the least or the largest that both dtypes
/// hold.
SymbolicTensor saturate_cast(const SymbolicTensor& x, DType dtype);
SymbolicTensor zeros_like(const SymbolicTensor& x, std::optional<DType> dtype = {});
SymbolicTensor ones_like(const SymbolicTensor& x, std::optional<DType> dtype = {});
SymbolicTensor full_like(const SymbolicTensor& x, const Operand& fill_value,
                         std::optional<DType> dtype = {});

/// Python's slice(start, stop, step); a Slice{} is `:`.
struct Slice {
  std::optional<std::int64_t> start = {}, stop = {}, step = {};
};
/// Python's `...`, and the `None` that makes an axis of size 1.
struct Ellipsis {};
struct NewAxis {};
/// What a subscript holds for one axis. Negative indices count from behind.
class Index {
 public:
  template <Integer T>                                          //
  Index(T index) : value_(static_cast<std::int64_t>(index)) {}  // NOLINT: implicit on purpose
  Index(Slice slice) : value_(slice) {}                         // NOLINT
  Index(Ellipsis all) : value_(all) {}                          // NOLINT
  Index(NewAxis axis) : value_(axis) {}                         // NOLINT
  [[nodiscard]] const std::variant<std::int64_t, Slice, Ellipsis, NewAxis>& value() const noexcept {
    return value_;
  }

 private:
  std::variant<std::int64_t, Slice, Ellipsis, NewAxis> value_;
};

/// `x[:, 0]` is get_item(x, {Slice{}, 0}).
SymbolicTensor get_item(const SymbolicTensor& x, const std::vector<Index>& key);
/// Of an axis the element with this index, without the axis, or those with these.
/// `{2}` is one index: a list of one is a `std::vector<std::int64_t>{2}`.
SymbolicTensor take(const SymbolicTensor& x, std::int64_t indices, std::int64_t axis);
SymbolicTensor take(const SymbolicTensor& x, const std::vector<std::int64_t>& indices,
                    std::int64_t axis);
// By tensors of integers, which may count from behind. An index that the axis does not have throws
// ValueError when the model runs, where Keras on JAX gives NaN. No axis: of all elements in a row.
/// In place of the axis are the axes of `indices`.
SymbolicTensor take(const SymbolicTensor& x, const SymbolicTensor& indices,
                    std::optional<std::int64_t> axis = {});
/// Of as many axes as x, whose sizes broadcast but for the axis.
SymbolicTensor take_along_axis(const SymbolicTensor& x, const SymbolicTensor& indices,
                               std::optional<std::int64_t> axis = {});

/// numpy's: matrices of the last two axes, the others broadcast, vectors where there is one axis.
/// Floating.
SymbolicTensor matmul(const SymbolicTensor& x1, const SymbolicTensor& x2);
// Floating, too.
/// Any number of operands: einsum("bqhd,bkhd->bhqk", {q, k}). No letter stands twice in one of
/// them.
SymbolicTensor einsum(const std::string& subscripts, const SymbolicTensors& operands);
/// Summed over the last axis of x1 and the last but one (or only one) of x2.
SymbolicTensor dot(const SymbolicTensor& x1, const SymbolicTensor& x2);
/// Summed over so many last axes of x1 and first ones of x2, or over pairs of axes.
SymbolicTensor tensordot(const SymbolicTensor& x1, const SymbolicTensor& x2, std::int64_t axes = 2);
SymbolicTensor tensordot(const SymbolicTensor& x1, const SymbolicTensor& x2,
                         const layers::Axes& axes1, const layers::Axes& axes2);
/// Summed over the last axis of both; what has no axis multiplies the other.
SymbolicTensor inner(const SymbolicTensor& x1, const SymbolicTensor& x2);
/// Summed over all: of as many elements, whatever their shapes.
SymbolicTensor vdot(const SymbolicTensor& x1, const SymbolicTensor& x2);
// Of integers and bools, too, as multiply is.
/// Each element of x1 with each of x2: (elements of x1, elements of x2).
SymbolicTensor outer(const Operand& x1, const Operand& x2);
/// x2 in the place of each element of x1, times that: the sizes are products of sizes.
SymbolicTensor kron(const SymbolicTensor& x1, const SymbolicTensor& x2);
/// Vectors of three elements, or of two, whose third is 0, along `axisa` and `axisb`; the product,
/// along `axisc`. Of two vectors of two it is the third element alone, without an axis. `axis` is
/// all three. Not of bools.
SymbolicTensor cross(const SymbolicTensor& x1, const SymbolicTensor& x2, std::int64_t axisa = -1,
                     std::int64_t axisb = -1, std::int64_t axisc = -1,
                     std::optional<std::int64_t> axis = {});
/// The sum of a diagonal; the dtype is that of `sum`.
SymbolicTensor trace(const SymbolicTensor& x, std::int64_t offset = 0, std::int64_t axis1 = 0,
                     std::int64_t axis2 = 1);

}  // namespace lamina::ops

namespace lamina {

template <class T>
concept Number = ops::Integer<T> || std::floating_point<T>;

/// `of_number`: where the number stands first. Python swaps the two where it compares.
#define LAMINA_OPERATOR(symbol, operation, of_number)                                       \
  inline SymbolicTensor operator symbol(const SymbolicTensor& a, const SymbolicTensor& b) { \
    return ops::operation(a, b);                                                            \
  }                                                                                         \
  inline SymbolicTensor operator symbol(const SymbolicTensor& a, Number auto b) {           \
    return ops::operation(a, b);                                                            \
  }                                                                                         \
  inline SymbolicTensor operator symbol(Number auto a, const SymbolicTensor& b) {           \
    return of_number;                                                                       \
  }
LAMINA_OPERATOR(+, add, ops::add(a, b))
LAMINA_OPERATOR(-, subtract, ops::subtract(a, b))
LAMINA_OPERATOR(*, multiply, ops::multiply(a, b))
LAMINA_OPERATOR(/, true_divide, ops::true_divide(a, b))
LAMINA_OPERATOR(>, greater, ops::less(b, a))
LAMINA_OPERATOR(>=, greater_equal, ops::less_equal(b, a))
LAMINA_OPERATOR(<, less, ops::greater(b, a))
LAMINA_OPERATOR(<=, less_equal, ops::greater_equal(b, a))
#undef LAMINA_OPERATOR
inline SymbolicTensor operator-(const SymbolicTensor& x) {
  return ops::negative(x);
}

}  // namespace lamina

#pragma once
#include <lamina/axes.h>
#include <lamina/layer.h>

#include <concepts>
#include <cstdint>
#include <optional>
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
SymbolicTensor maximum(const Operand& x1, const Operand& x2);
SymbolicTensor minimum(const Operand& x1, const Operand& x2);
/// x1, floating, to the power of a number.
SymbolicTensor power(const SymbolicTensor& x1, const Operand& x2);

// The same, giving bools.
SymbolicTensor equal(const Operand& x1, const Operand& x2);
SymbolicTensor not_equal(const Operand& x1, const Operand& x2);
SymbolicTensor greater(const Operand& x1, const Operand& x2);
SymbolicTensor greater_equal(const Operand& x1, const Operand& x2);
SymbolicTensor less(const Operand& x1, const Operand& x2);
SymbolicTensor less_equal(const Operand& x1, const Operand& x2);
/// What is not 0 is true.
SymbolicTensor logical_and(const SymbolicTensor& x1, const SymbolicTensor& x2);
SymbolicTensor logical_or(const SymbolicTensor& x1, const SymbolicTensor& x2);
SymbolicTensor logical_not(const SymbolicTensor& x);
/// x1 where the condition is true (not 0), else x2.
SymbolicTensor where(const SymbolicTensor& condition, const Operand& x1, const Operand& x2);

// Elementwise. Integers are made float32 first, but by absolute, negative, square and clip, which
// keep them.
SymbolicTensor absolute(const SymbolicTensor& x);
SymbolicTensor abs(const SymbolicTensor& x);
SymbolicTensor negative(const SymbolicTensor& x);
SymbolicTensor square(const SymbolicTensor& x);
SymbolicTensor exp(const SymbolicTensor& x);
SymbolicTensor expm1(const SymbolicTensor& x);
SymbolicTensor log(const SymbolicTensor& x);
SymbolicTensor log1p(const SymbolicTensor& x);
SymbolicTensor sqrt(const SymbolicTensor& x);
SymbolicTensor sin(const SymbolicTensor& x);
SymbolicTensor cos(const SymbolicTensor& x);
SymbolicTensor tanh(const SymbolicTensor& x);
SymbolicTensor clip(const SymbolicTensor& x, const Operand& x_min, const Operand& x_max);
// Of floating tensors alone.
SymbolicTensor rsqrt(const SymbolicTensor& x);
SymbolicTensor relu(const SymbolicTensor& x);
SymbolicTensor relu6(const SymbolicTensor& x);
SymbolicTensor leaky_relu(const SymbolicTensor& x, double negative_slope = 0.2);
SymbolicTensor elu(const SymbolicTensor& x, double alpha = 1);
SymbolicTensor selu(const SymbolicTensor& x);
SymbolicTensor gelu(const SymbolicTensor& x, bool approximate = true);
SymbolicTensor sigmoid(const SymbolicTensor& x);
SymbolicTensor log_sigmoid(const SymbolicTensor& x);
SymbolicTensor hard_sigmoid(const SymbolicTensor& x);
SymbolicTensor silu(const SymbolicTensor& x);
SymbolicTensor swish(const SymbolicTensor& x);
SymbolicTensor hard_silu(const SymbolicTensor& x);
SymbolicTensor hard_swish(const SymbolicTensor& x);
SymbolicTensor softplus(const SymbolicTensor& x);
SymbolicTensor softsign(const SymbolicTensor& x);
/// Over one axis, or over several jointly.
SymbolicTensor softmax(const SymbolicTensor& x, const layers::Axes& axis = -1);
SymbolicTensor log_softmax(const SymbolicTensor& x, const layers::Axes& axis = -1);

/// No axes: all. What is reduced has size 1 with `keepdims`, and is gone without.
using ReducedAxes = std::optional<layers::Axes>;
/// Of integers float32.
SymbolicTensor mean(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
/// Of bools and of integers of less than 32 bits one of 32.
SymbolicTensor sum(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
SymbolicTensor max(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
/// Not of integers of 64 bits.
SymbolicTensor min(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
/// Biased; of integers float32.
SymbolicTensor var(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
SymbolicTensor any(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);
SymbolicTensor all(const SymbolicTensor& x, const ReducedAxes& axis = {}, bool keepdims = false);

// Of any dtype.
/// The batch is an axis like others: {-1, 4}. One size may be -1.
SymbolicTensor reshape(const SymbolicTensor& x, const std::vector<std::int64_t>& newshape);
/// No axes: all in reverse.
SymbolicTensor transpose(const SymbolicTensor& x,
                         const std::optional<std::vector<std::int64_t>>& axes = {});
SymbolicTensor swapaxes(const SymbolicTensor& x, std::int64_t axis1, std::int64_t axis2);
/// No axes: all that are known to have size 1.
SymbolicTensor squeeze(const SymbolicTensor& x, const ReducedAxes& axis = {});
SymbolicTensor expand_dims(const SymbolicTensor& x, const layers::Axes& axis);
SymbolicTensor concatenate(const SymbolicTensors& xs, std::int64_t axis = 0);
SymbolicTensor stack(const SymbolicTensors& x, std::int64_t axis = 0);
SymbolicTensor cast(const SymbolicTensor& x, DType dtype);
SymbolicTensor zeros_like(const SymbolicTensor& x, std::optional<DType> dtype = {});
SymbolicTensor ones_like(const SymbolicTensor& x, std::optional<DType> dtype = {});

/// Python's slice(start, stop, step); a Slice{} is `:`. The step is positive.
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

/// numpy's: matrices of the last two axes, the others broadcast, vectors where there is one axis.
/// Floating.
SymbolicTensor matmul(const SymbolicTensor& x1, const SymbolicTensor& x2);

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

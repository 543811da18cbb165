#pragma once
#include <gtest/gtest.h>
#include <lamina/tensor.h>

#include <functional>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "ops/backend.h"
#include "tests/random_choice.h"

namespace lamina::ops::contract {

using Random = std::mt19937;

using lamina::test::one_of;
using lamina::test::pick;

/// A few, some in eights, as kernels like them, and at times more than a block of threads takes.
[[nodiscard]] inline std::int64_t any_channels(Random& random) {
  switch (pick(random, 0, 3)) {
    case 0:
      return 8 * pick(random, 33, 70);
    case 1:
      return 8 * pick(random, 1, 8);
    default:
      return pick(random, 1, 70);
  }
}

/// A kind of operation and how to make a fresh case of it, in float32.
struct Row {
  std::string name;
  std::function<OpSpec(Random&)> make;
};
inline void PrintTo(const Row& row, std::ostream* stream) {
  *stream << row.name;
}

/// Where operands begin: as tensors do, or an element behind, where no packs of elements fit.
enum class Operands { kAligned, kShifted };

/// What every backend's kernel must do for `spec`: give the definition's values (computed in double
/// by the reference) whatever its output and workspace held before, give them again to the bit, and
/// in place where it says that it can. `slack` multiplies the tolerance.
void expect_contract(Backend& backend, const OpSpec& spec, Random& random, double slack = 1,
                     Operands operands = Operands::kAligned);

/// How far the results of two backends lie apart for the same random inputs and parameters, of the
/// length of `other`'s.
[[nodiscard]] double disagreement(Backend& backend, Backend& other, const OpSpec& spec,
                                  Random& random);

/// `spec` with every float of another width.
[[nodiscard]] OpSpec with_dtype(OpSpec spec, DType dtype);

/// A product of matrices of `dtype`, a half-width float, whose result is float32.
[[nodiscard]] OpSpec widened_product(const std::vector<Row>& rows, DType dtype, Random& random);

/// `spec` with an activation that forgives its argument's rounding. For half-width floats on
/// devices, where a product of a library is rounded before a kernel of ours applies the activation
/// (as Keras rounds it), which a step in a function, or an exponential, would enlarge.
[[nodiscard]] OpSpec with_forgiving_activation(OpSpec spec, Random& random);

/// Standard normal values, or what `low` and `high` bound.
[[nodiscard]] Tensor random_tensor(const Shape& shape, DType dtype, Random& random);

/// Runs `kernel` of `backend` into poisoned memory, on its device and back.
[[nodiscard]] Tensor run(Backend& backend, Kernel& kernel, const OpSpec& spec,
                         const std::vector<Tensor>& inputs);

/// An activation with parameters that mean something, of any kind that has values of all numbers.
[[nodiscard]] Activation random_activation(Random& random);

}  // namespace lamina::ops::contract

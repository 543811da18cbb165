#include "ops/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/activation.h"
#include "tests/fresh_seed.h"

namespace lamina::ops {
namespace {

const std::vector<Unary> kAll{
#define LAMINA_UNARY(enumerator, name, functor) Unary::enumerator,
#include "kernels/elementwise.def"
#undef LAMINA_UNARY
};

/// Parameters with which every function that can derive from its output does.
Activation random_activation(Unary kind, std::mt19937& random) {
  std::uniform_real_distribution<double> positive(0.1, 2);
  return {kind, positive(random), positive(random), 0};
}

kernels::Function function(const Activation& activation) {
  return {activation.kind, activation.a, activation.b, activation.c};
}

/// Where no function has an edge.
std::vector<double> random_arguments(const Activation& activation, std::mt19937& random) {
  std::uniform_real_distribution<double> numbers(-4, 4);
  std::vector<double> out;
  while (out.size() < 50) {
    const double x = numbers(random);
    if (std::abs(x) > 1e-3 && std::abs(x - activation.b) > 1e-3) out.push_back(x);
  }
  return out;
}

TEST(Elementwise, WhatDerivesFromItsOutputGivesTheDerivativeThatItsInputGives) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (const Unary kind : kAll) {
    const Activation activation = random_activation(kind, random);
    if (!derives_from_output(activation)) continue;
    const kernels::Function act = function(activation);
    for (const double x : random_arguments(activation, random)) {
      const double y = act.value(x), expected = act.derivative(x);
      EXPECT_NEAR(act.derivative_from_output(y), expected, 1e-9)
          << static_cast<int>(kind) << " at " << x;
      with_output_derivative<double>(activation, [&](auto functor) {
        EXPECT_NEAR(functor.derivative_from_output(y), expected, 1e-9);
      });
    }
  }
}

// What JAX's gradients of Keras's functions give: zero is what padding and dead channels hold.
TEST(Elementwise, HasKerasDerivativesWhereReluBends) {
  const auto at = [](const Activation& activation, double x) {
    const kernels::Function act = function(activation);
    if (derives_from_output(activation)) {
      EXPECT_EQ(act.derivative_from_output(act.value(x)), act.derivative(x));
    }
    return act.derivative(x);
  };
  EXPECT_EQ(at(relu(), 0), 0);
  EXPECT_EQ(at(relu(0, 6), 0), 0);
  EXPECT_EQ(at(relu(0.25), 0), 1);  // leaky_relu
  EXPECT_EQ(at(relu(0.25), -1), 0.25);
  EXPECT_EQ(at(relu(0.25, 1), 0), 0);
  EXPECT_EQ(at(relu(0.25, std::numeric_limits<double>::infinity(), 0.5), 0.5), 0);
  EXPECT_EQ(at({Unary::kElu, 0.5}, 0), 0.5);
}

TEST(Elementwise, WhatDoesNotDeriveFromItsOutputIsNotTakenForRelu) {
  for (const Unary kind : {Unary::kSilu, Unary::kGelu, Unary::kMish, Unary::kSoftplus}) {
    const Activation activation{kind};
    EXPECT_FALSE(derives_from_output(activation));
    EXPECT_TRUE(std::isnan(function(activation).derivative_from_output(0.5)));
    EXPECT_THROW(with_output_derivative<float>(activation, [](auto) {}), std::logic_error);
  }
}

TEST(Elementwise, DerivesFromItsOutputUnlessItsParametersHideTheInput) {
  for (const Unary kind : {Unary::kSigmoid, Unary::kTanh, Unary::kExponential, Unary::kElu}) {
    EXPECT_TRUE(derives_from_output({kind, 1})) << static_cast<int>(kind);
  }
  EXPECT_TRUE(derives_from_output(relu()));
  EXPECT_TRUE(derives_from_output(relu(0.2, 6)));
  EXPECT_FALSE(derives_from_output(relu(-0.2)));
  EXPECT_FALSE(derives_from_output(relu(0, 6, 1)));
  EXPECT_FALSE(derives_from_output({Unary::kElu, -1}));
}

}  // namespace
}  // namespace lamina::ops

// Optimizers' formulas in double, element by element; against Keras: tests/interop.
#include <gtest/gtest.h>
#include <lamina/optimizers.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "tests/training/helpers.h"

namespace lamina {
namespace {

using namespace test;

VariablePtr variable(const Tensor& value) {
  auto out = std::make_shared<Variable>("kernel", value);
  out->set_path("dense/kernel");
  return out;
}

/// The state of one element under a rule in double.
struct Element {
  double w, m = 0, v = 0, a = 0;
};
using Rule = std::function<void(Element&, double g, int step)>;

/// Takes ten random steps with both, on more elements than one thread's turn.
void expect_follows(const OptimizerPtr& optimizer, const Rule& rule, double tolerance = 1e-5) {
  Random random;
  const std::int64_t size = random.integer(33000, 80000);
  const VariablePtr w = variable(random.tensor({size}));
  std::vector<Element> expected;
  for (const float x : w->value().data<float>()) expected.push_back({x});
  optimizer->build({w});
  for (int step = 0; step < 10; ++step) {
    const Tensor g = random.tensor({size});
    optimizer->apply({g});
    for (std::size_t i = 0; i < expected.size(); ++i) rule(expected[i], g.data<float>()[i], step);
  }
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::fabs(w->value().data<float>()[i] - expected[i].w));
  }
  EXPECT_LT(worst, tolerance) << optimizer->class_name();
  EXPECT_EQ(optimizer->iterations(), 10);
}

TEST(Optimizers, SgdDescendsWithMomentumAndNesterov) {
  expect_follows(optimizers::SGD({.learning_rate = 0.1}),
                 [](Element& e, double g, int) { e.w -= 0.1 * g; });
  expect_follows(optimizers::SGD({.learning_rate = 0.1, .momentum = 0.9}),
                 [](Element& e, double g, int) {
                   e.m = 0.9 * e.m - 0.1 * g;
                   e.w += e.m;
                 });
  expect_follows(optimizers::SGD({.learning_rate = 0.1, .momentum = 0.9, .nesterov = true}),
                 [](Element& e, double g, int) {
                   e.m = 0.9 * e.m - 0.1 * g;
                   e.w += 0.9 * e.m - 0.1 * g;
                 });
}

Rule adam(bool amsgrad, double decay) {
  return [=](Element& e, double g, int step) {
    e.w -= e.w * decay * 0.01;
    e.m += (g - e.m) * 0.1;
    e.v += (g * g - e.v) * 0.001;
    e.a = std::max(e.a, e.v);
    const double rate =
        0.01 * std::sqrt(1 - std::pow(0.999, step + 1)) / (1 - std::pow(0.9, step + 1));
    e.w -= e.m * rate / (std::sqrt(amsgrad ? e.a : e.v) + 1e-7);
  };
}

TEST(Optimizers, AdamAndItsKinFollowTheirFormulas) {
  expect_follows(optimizers::Adam({.learning_rate = 0.01}), adam(false, 0), 1e-4);
  expect_follows(optimizers::Adam({.learning_rate = 0.01, .amsgrad = true}), adam(true, 0), 1e-4);
  expect_follows(optimizers::AdamW({.learning_rate = 0.01}), adam(false, 0.004), 1e-4);
}

TEST(Optimizers, RmspropFollowsItsFormula) {
  for (const bool centered : {false, true}) {
    for (const double momentum : {0.0, 0.5}) {
      expect_follows(
          optimizers::RMSprop({.learning_rate = 0.01, .momentum = momentum, .centered = centered}),
          [=](Element& e, double g, int) {
            e.v = 0.9 * e.v + 0.1 * g * g;
            e.a = 0.9 * e.a + 0.1 * g;
            const double variance = e.v - (centered ? e.a * e.a : 0) + 1e-7;
            e.m = momentum * e.m + 0.01 * g / std::sqrt(variance);
            e.w -= e.m;
          },
          1e-3);
    }
  }
}

TEST(Optimizers, AdagradAndLionFollowTheirFormulas) {
  expect_follows(optimizers::Adagrad({.learning_rate = 0.1, .initial_accumulator_value = 0.3}),
                 [](Element& e, double g, int step) {
                   if (step == 0) e.a = 0.3;
                   e.a += g * g;
                   e.w -= 0.1 * g / std::sqrt(e.a + 1e-7);
                 });
  Random random;
  const Tensor start = random.tensor({5});
  const VariablePtr w = variable(start.clone());
  const auto lion = optimizers::Lion({.learning_rate = 0.1});
  lion->build({w});
  const Tensor g = Tensor::from<float>({1, -2, 0, 3, -1e-9F}, {5});
  lion->apply({g});
  const std::vector<float> sign = {1, -1, 0, 1, -1};
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_FLOAT_EQ(w->value().data<float>()[i], start.data<float>()[i] - 0.1F * sign[i]);
    EXPECT_NEAR(lion->variables()[2]->value().data<float>()[i], 0.01F * g.data<float>()[i], 1e-6);
  }
}

TEST(Optimizers, AdamaxFollowsItsFormula) {
  expect_follows(
      optimizers::Adamax({.learning_rate = 0.01, .beta_2 = 0.7}),
      [](Element& e, double g, int step) {
        e.m += (g - e.m) * 0.1;
        e.a = std::max(0.7 * e.a, std::fabs(g));
        e.w -= 0.01 * e.m / ((1 - std::pow(0.9, step + 1)) * (e.a + 1e-7));
      },
      1e-4);
}

TEST(Optimizers, NadamFollowsItsFormula) {
  const auto ahead = [](int t) { return 0.8 * (1 - 0.5 * std::pow(0.96, t)); };
  const OptimizerPtr nadam = optimizers::Nadam({.learning_rate = 0.01, .beta_1 = 0.8});
  const auto product = [&](int t) {
    double all = 1;
    for (int i = 1; i <= t; ++i) all *= ahead(i);
    return all;
  };
  expect_follows(
      nadam,
      [&](Element& e, double g, int step) {
        const int t = step + 1;
        e.m += (g - e.m) * 0.2;
        e.v += (g * g - e.v) * 0.001;
        const double m =
            ahead(t + 1) * e.m / (1 - product(t + 1)) + (1 - ahead(t)) * g / (1 - product(t));
        e.w -= 0.01 * m / (std::sqrt(e.v / (1 - std::pow(0.999, t))) + 1e-7);
      },
      1e-4);
  EXPECT_NEAR(nadam->variables().back()->value().data<float>()[0], product(10), 1e-6);
}

// Which counts updates, and not the steps that only accumulate.
TEST(Optimizers, NadamMultipliesOnceAnUpdate) {
  Random random;
  const VariablePtr w = variable(random.tensor({5}));
  const OptimizerPtr nadam = optimizers::Nadam({.gradient_accumulation_steps = 2});
  nadam->build({w});
  std::vector<float> seen;
  for (int step = 0; step < 5; ++step) {
    nadam->apply({random.tensor({5})});
    seen.push_back(nadam->variables().back()->value().data<float>()[0]);
  }
  const float one = 0.9F * 0.52F, two = one * 0.9F * (1 - 0.5F * 0.96F * 0.96F);
  const std::vector<float> expected = {1, one, one, two, two};
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_NEAR(seen[i], expected[i], 1e-6) << i;
}

TEST(Optimizers, AdadeltaFollowsItsFormula) {
  expect_follows(optimizers::Adadelta({.learning_rate = 0.5, .rho = 0.9, .epsilon = 1e-3}),
                 [](Element& e, double g, int) {
                   e.v = 0.9 * e.v + 0.1 * g * g;
                   const double change = -std::sqrt(e.a + 1e-3) * g / std::sqrt(e.v + 1e-3);
                   e.a = 0.9 * e.a + 0.1 * change * change;
                   e.w += 0.5 * change;
                 });
}

TEST(Optimizers, FtrlFollowsItsFormulaForAnyPower) {
  for (const double power : {0.5, 0.7, 0.0}) {
    expect_follows(optimizers::Ftrl({.learning_rate = 0.1,
                                     .learning_rate_power = -power,
                                     .initial_accumulator_value = 0.3,
                                     .l1_regularization_strength = 0.2,
                                     .l2_regularization_strength = 0.05,
                                     .l2_shrinkage_regularization_strength = 0.03,
                                     .beta = 0.4}),
                   [=](Element& e, double g, int step) {
                     if (step == 0) e.a = 0.3;
                     const double before = std::pow(e.a, power);
                     e.a += g * g;
                     const double now = std::pow(e.a, power);
                     e.m += g + 2 * 0.03 * e.w - (now - before) / 0.1 * e.w;
                     const double l2 = 0.05 + 0.4 / (2 * 0.1);
                     e.w = (std::clamp(e.m, -0.2, 0.2) - e.m) / (now / 0.1 + 2 * l2);
                   });
  }
}

/// Lamb's step on one variable.
void follow_lamb(std::vector<Element>& all, const Tensor& gradient, int step, double decay) {
  std::vector<double> directions;
  double weights = 0, squares = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    Element& e = all[i];
    const double g = gradient.data<float>()[i];
    e.w -= e.w * decay * 0.01;
    e.m += (g - e.m) * 0.1;
    e.v += (g * g - e.v) * 0.001;
    directions.push_back(e.m / (1 - std::pow(0.9, step + 1)) /
                         (std::sqrt(e.v / (1 - std::pow(0.999, step + 1))) + 1e-7));
    weights += e.w * e.w;
    squares += directions[i] * directions[i];
  }
  const double ratio = weights > 0 && squares > 0 ? std::sqrt(weights / squares) : 1;
  for (std::size_t i = 0; i < all.size(); ++i) all[i].w -= ratio * 0.01 * directions[i];
}

TEST(Optimizers, LambGoesAShareOfEachVariablesNorm) {
  Random random;
  const double decay = random.uniform(0.1, 1);
  const OptimizerPtr lamb = optimizers::Lamb({.learning_rate = 0.01, .weight_decay = decay});
  std::vector<VariablePtr> variables;
  std::vector<std::vector<Element>> expected;
  for (const std::int64_t size :
       {random.integer(33000, 80000), random.integer(2, 9), random.integer(2, 9)}) {
    // The last one begins at 0, where the ratio is 1.
    const Tensor start =
        variables.size() == 2 ? Tensor::zeros({size}) : random.tensor({size}, -3, 3);
    expected.emplace_back();
    for (const float x : start.data<float>()) expected.back().push_back({x});
    variables.push_back(variable(start));
  }
  lamb->build(variables);
  for (int step = 0; step < 10; ++step) {
    std::vector<Tensor> gradients;
    for (std::size_t k = 0; k < variables.size(); ++k) {
      gradients.push_back(random.tensor(variables[k]->shape()));
      follow_lamb(expected[k], gradients[k], step, decay);
    }
    lamb->apply(gradients);
  }
  for (std::size_t k = 0; k < variables.size(); ++k) {
    for (std::size_t i = 0; i < expected[k].size(); ++i) {
      ASSERT_NEAR(variables[k]->value().data<float>()[i], expected[k][i].w, 1e-4) << k << " " << i;
    }
  }
}

TEST(Optimizers, LambTakesNoNormOfADirectionThatIsZero) {
  Random random;
  const VariablePtr w = variable(random.tensor({40}));
  const Tensor before = w->value().clone();
  const OptimizerPtr lamb = optimizers::Lamb();
  lamb->build({w});
  lamb->apply({Tensor::zeros({40})});
  EXPECT_TRUE(bitwise_equal(w->value(), before));
}

}  // namespace
}  // namespace lamina

// ScheduleFreeAdamW against its formula in double; against Keras: tests/interop.
#include <gtest/gtest.h>
#include <lamina/optimizers.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/training/helpers.h"

namespace lamina {
namespace {

using namespace test;

VariablePtr variable(const Tensor& value, const char* path = "dense/kernel") {
  auto out = std::make_shared<Variable>("kernel", value);
  out->set_path(path);
  return out;
}

/// One element: the weight, what gradients move, and the mean of squares of these.
struct Element {
  double w, z, v = 0;
};

/// Ten random steps, on more elements than one thread's turn.
void expect_follows(const optimizers::ScheduleFreeAdamWOptions& o) {
  Random random;
  const double rate = o.learning_rate.value(), beta_1 = o.beta_1, beta_2 = o.beta_2;
  const OptimizerPtr optimizer = optimizers::ScheduleFreeAdamW(o);
  const std::int64_t size = random.integer(33000, 80000);
  const VariablePtr w = variable(random.tensor({size}));
  std::vector<Element> expected;
  for (const float x : w->value().data<float>()) expected.push_back({x, x});
  optimizer->build({w});
  for (int t = 1; t <= 10; ++t) {
    const Tensor g = random.tensor({size});
    optimizer->apply({g});
    const double warm =
        std::min(1.0, double(t) / double(std::max<std::int64_t>(o.warmup_steps, 1)));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      Element& e = expected[i];
      const double slope = g.data<float>()[i];
      e.w -= e.w * o.weight_decay.value_or(0) * rate;
      double x = (e.w - (1 - beta_1) * e.z) / beta_1;
      e.v = beta_2 * e.v + (1 - beta_2) * slope * slope;
      e.z -= rate * warm * slope / (std::sqrt(e.v / (1 - std::pow(beta_2, t))) + o.epsilon);
      x += (e.z - x) / t;
      e.w = (1 - beta_1) * e.z + beta_1 * x;
    }
  }
  const Tensor momentum = optimizer->variables()[2]->value();
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    worst = std::max({worst, std::fabs(w->value().data<float>()[i] - expected[i].w),
                      std::fabs(momentum.data<float>()[i] - expected[i].z)});
  }
  EXPECT_LT(worst, 1e-5);
}

TEST(ScheduleFreeAdamW, FollowsTheMeanOfWhatGradientsMove) {
  expect_follows({});
  expect_follows({.learning_rate = 0.01, .beta_1 = 0.6, .beta_2 = 0.8, .epsilon = 1e-3});
  expect_follows({.learning_rate = 0.01, .warmup_steps = 4, .weight_decay = 0.3});
}

TEST(ScheduleFreeAdamW, StateStandsInKerasOrder) {
  Random random;
  const Tensor a = random.tensor({3}), b = random.tensor({2, 2});
  const OptimizerPtr optimizer = optimizers::ScheduleFreeAdamW({.use_ema = true});
  EXPECT_EQ(optimizer->name().substr(0, 20), "schedule_free_adam_w");
  optimizer->build({variable(a, "a/w"), variable(b, "b/w")});
  std::vector<std::string> names;
  for (const VariablePtr& each : optimizer->variables()) names.push_back(each->name());
  EXPECT_EQ(names, (std::vector<std::string>{"iteration", "learning_rate", "a_w_average",
                                             "b_w_average", "a_w_momentum", "a_w_velocity",
                                             "b_w_momentum", "b_w_velocity"}));
  EXPECT_TRUE(bitwise_equal(optimizer->variables()[4]->value(), a));
  EXPECT_TRUE(bitwise_equal(optimizer->variables()[6]->value(), b));
  EXPECT_TRUE(bitwise_equal(optimizer->variables()[7]->value(), Tensor::zeros({2, 2})));
}

// As Keras copies them; but weights that there are none of yet are those that come.
TEST(ScheduleFreeAdamW, BeginsWhereTheWeightsAreWhenItIsBuilt) {
  Random random;
  const Tensor built = random.tensor({5}), later = random.tensor({5});
  const VariablePtr known = variable(built.clone());
  int made = 0;
  const auto unknown = std::make_shared<Variable>("kernel", Shape{5}, DType::kFloat32,
                                                  [&made](const Shape& shape, DType dtype) {
                                                    ++made;
                                                    return Tensor::zeros(shape, dtype);
                                                  });
  const OptimizerPtr optimizer = optimizers::ScheduleFreeAdamW();
  optimizer->build({known, unknown});
  EXPECT_EQ(made, 0);
  known->assign(later.clone());
  unknown->assign(later.clone());
  EXPECT_TRUE(bitwise_equal(optimizer->variables()[2]->value(), built));
  EXPECT_TRUE(bitwise_equal(optimizer->variables()[4]->value(), later));
  optimizer->apply({random.tensor({5}), random.tensor({5}, 1, 2)});
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(unknown->value().data<float>()[i], later.data<float>()[i] - 0.0025F, 1e-6);
  }
  EXPECT_EQ(made, 0);
}

// A constraint changes the weights in steps that only accumulate, too.
TEST(ScheduleFreeAdamW, BeginsWhereTheWeightsWereBeforeItsFirstStep) {
  Random random;
  const Tensor start = random.tensor({5}, -2, -1);
  const auto unknown = std::make_shared<Variable>(
      "kernel", Shape{5}, DType::kFloat32, [&](const Shape&, DType) { return start.clone(); });
  unknown->set_constraint("non_neg");
  const OptimizerPtr optimizer = optimizers::ScheduleFreeAdamW({.gradient_accumulation_steps = 2});
  optimizer->build({unknown});
  optimizer->apply({random.tensor({5})});
  EXPECT_TRUE(bitwise_equal(unknown->value(), Tensor::zeros({5})));
  const std::vector<VariablePtr> state = optimizer->variables();
  const auto momentum = std::find_if(state.begin(), state.end(), [](const VariablePtr& each) {
    return each->name().ends_with("_momentum");
  });
  ASSERT_NE(momentum, state.end());
  EXPECT_TRUE(bitwise_equal((*momentum)->value(), start));
}

TEST(ScheduleFreeAdamW, CountsUpdatesAndNotTheStepsOfAccumulation) {
  Random random;
  const Tensor start = random.tensor({7});
  const VariablePtr one = variable(start.clone()), two = variable(start.clone());
  const OptimizerPtr plain = optimizers::ScheduleFreeAdamW({.warmup_steps = 3}),
                     accumulating = optimizers::ScheduleFreeAdamW(
                         {.warmup_steps = 3, .gradient_accumulation_steps = 2});
  plain->build({one});
  accumulating->build({two});
  for (int update = 0; update < 5; ++update) {
    const Tensor g = random.tensor({7});
    plain->apply({g});
    accumulating->apply({g});
    accumulating->apply({g});
    for (std::size_t i = 0; i < 7; ++i) {
      EXPECT_NEAR(one->value().data<float>()[i], two->value().data<float>()[i], 1e-6);
    }
  }
}

TEST(ScheduleFreeAdamW, IsMadeByKerasName) {
  EXPECT_EQ(optimizers::get("ScheduleFreeAdamW")->class_name(), "ScheduleFreeAdamW");
  EXPECT_FLOAT_EQ(optimizers::get("schedulefreeadamw")->learning_rate(), 0.0025F);
}

}  // namespace
}  // namespace lamina

// What constraints make of weights after a step, against Keras's formulas in double; against Keras
// itself: tests/interop.
#include <gmock/gmock.h>
#include <lamina/optimizers.h>
#include <omp.h>

#include <cmath>
#include <functional>
#include <limits>

#include "tests/training/helpers.h"
#include "training/optimizers/constrainer.h"

namespace lamina {
namespace {

using namespace test;
using constraints::MaxNorm;
using constraints::MinMaxNorm;
using constraints::NonNeg;
using constraints::UnitNorm;
using ::testing::AllOf;
using ::testing::HasSubstr;

VariablePtr variable(const Tensor& value, Constraint constraint = {}) {
  auto out = std::make_shared<Variable>("kernel", value);
  out->set_path("dense/kernel");
  out->set_constraint(std::move(constraint));
  return out;
}

/// The factor by which a group of this norm is multiplied.
using Factor = std::function<double(double norm)>;

/// `factor` of each group's norm along `axes`, element by element in double.
std::vector<double> expected_of(const Tensor& given, const std::vector<std::size_t>& axes,
                                const Factor& factor) {
  const Tensor wide = given.cast(DType::kFloat64);
  const auto w = wide.data<double>();
  const std::vector<std::int64_t>& dims = given.shape().dims();
  const auto group_of = [&](std::size_t i) {
    std::size_t group = 0, rest = i, step = 1;
    for (std::size_t axis = dims.size(); axis-- > 0;) {
      const auto dim = static_cast<std::size_t>(dims[axis]);
      if (std::find(axes.begin(), axes.end(), axis) == axes.end()) {
        group += rest % dim * step;
        step *= dim;
      }
      rest /= dim;
    }
    return group;
  };
  std::vector<double> squares(w.size(), 0.0), out(w.size());
  for (std::size_t i = 0; i < w.size(); ++i) squares[group_of(i)] += w[i] * w[i];
  for (std::size_t i = 0; i < w.size(); ++i)
    out[i] = w[i] * factor(std::sqrt(squares[group_of(i)]));
  return out;
}

void expect_values(const Tensor& got, const std::vector<double>& expected, double tolerance,
                   const std::string& what) {
  const Tensor wide = got.cast(DType::kFloat64);
  ASSERT_EQ(wide.data<double>().size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(wide.data<double>()[i], expected[i], tolerance) << what << " [" << i << "]";
  }
}

/// One step with a gradient of zeros: what the constraint alone does.
Tensor constrained(const Tensor& value, const Constraint& constraint) {
  const VariablePtr w = variable(value.clone(), constraint);
  const OptimizerPtr optimizer = optimizers::SGD();
  optimizer->build({w});
  optimizer->apply({Tensor::zeros(value.shape(), value.dtype())});
  return w->value();
}

struct Along {
  Shape shape;
  layers::Axes axis;                ///< as it is given
  std::vector<std::size_t> sorted;  ///< what that means
};

std::vector<Along> alongs(Random& random) {
  const auto dim = [&] { return random.integer(2, 7); };
  return {
      {{random.integer(300, 900), random.integer(20, 70)}, 0, {0}},  // columns, in several slices
      {{dim(), dim()}, 1, {1}},
      {{dim(), dim()}, -2, {0}},
      {{dim(), dim(), dim(), dim()}, {0, 1, 2}, {0, 1, 2}},
      {{dim(), dim(), dim(), dim()}, {2, 0}, {0, 2}},
      {{dim(), dim(), dim()}, {}, {0, 1, 2}},  // all
      {{random.integer(2000, 9000)}, 0, {0}},
      {{}, {}, {}},
  };
}

TEST(Constraints, AreKerasFormulasAlongAnyAxes) {
  Random random;
  for (const Along& along : alongs(random)) {
    const double size = along.shape.rank() == 0 ? 1 : static_cast<double>(along.shape.size());
    // Some norms are below the limits and some above.
    const double middle = std::sqrt(size / 3) / std::max(1.0, std::sqrt(size) / 2);
    const Tensor w = random.tensor(along.shape);
    const std::string what = along.shape.str();
    const auto expect = [&](const Constraint& constraint, const Factor& factor) {
      expect_values(constrained(w, constraint), expected_of(w, along.sorted, factor), 2e-6,
                    constraint.class_name() + " " + what);
    };
    expect(MaxNorm{middle, along.axis}, [&](double n) { return std::min(n, middle) / (1e-7 + n); });
    expect(UnitNorm{along.axis}, [](double n) { return 1 / (1e-7 + n); });
    const double low = middle * 0.9, high = middle * 1.1, rate = random.uniform(0.1, 0.9);
    expect(MinMaxNorm{low, high, rate, along.axis}, [&](double n) {
      return (rate * std::clamp(n, low, high) + (1 - rate) * n) / (1e-7 + n);
    });
    const Tensor kept = constrained(w, NonNeg{});
    for (std::size_t i = 0; i < static_cast<std::size_t>(w.size()); ++i) {
      EXPECT_EQ(kept.data<float>()[i], std::max(w.data<float>()[i], 0.0F));
    }
  }
}

TEST(Constraints, HaveKerasDefaults) {
  Random random;
  const Tensor w = random.tensor({9, 4}, -3, 3);
  const auto same = [&](const Constraint& named, const Constraint& given) {
    EXPECT_TRUE(bitwise_equal(constrained(w, named), constrained(w, given))) << given.class_name();
    EXPECT_FALSE(bitwise_equal(constrained(w, named), w)) << given.class_name();
  };
  same("max_norm", MaxNorm{2, 0});
  same("NonNeg", NonNeg{});
  same("unit_norm", UnitNorm{0});
  same("MinMaxNorm", MinMaxNorm{0, 1, 1, 0});
}

TEST(Constraints, WorkInEveryFloatType) {
  Random random;
  const std::pair<DType, double> cases[] = {
      {DType::kFloat64, 1e-14}, {DType::kFloat16, 1e-3}, {DType::kBFloat16, 8e-3}};
  for (const auto& [dtype, tolerance] : cases) {
    const Tensor w = random.tensor({40, 6}).cast(dtype);
    const Tensor got = constrained(w, MaxNorm{1.5});
    EXPECT_EQ(got.dtype(), dtype);
    expect_values(got, expected_of(w, {0}, [](double n) { return std::min(n, 1.5) / (1e-7 + n); }),
                  tolerance, std::string(dtype_name(dtype)));
  }
}

TEST(Constraints, KeepWhatIsNoNumberAndZerosAsKerasDoes) {
  Tensor w = Tensor::from<float>({std::nanf(""), -1, 2}, {3});
  EXPECT_TRUE(std::isnan(constrained(w, NonNeg{}).data<float>()[0]));
  EXPECT_TRUE(std::isnan(constrained(w, MaxNorm{}).data<float>()[2]));
  EXPECT_EQ(constrained(Tensor::zeros({3}), UnitNorm{}).data<float>()[1], 0.0F);
}

TEST(Constraints, ComeAfterTheUpdateAndTheWeightDecay) {
  Random random;
  const Tensor start = random.tensor({30, 5}), g = random.tensor({30, 5});
  const VariablePtr free = variable(start.clone()), bound = variable(start.clone(), UnitNorm{});
  for (const VariablePtr& w : {free, bound}) {
    const OptimizerPtr optimizer =
        optimizers::SGD({.learning_rate = 0.3, .momentum = 0.9, .weight_decay = 0.5});
    optimizer->build({w});
    optimizer->apply({g});
  }
  expect_values(bound->value(),
                expected_of(free->value(), {0}, [](double n) { return 1 / (1e-7 + n); }), 1e-6,
                "the step, then the constraint");
}

// Keras updates the average, lets it take the weights' place, and constrains what is there then.
TEST(Constraints, ComeAfterTheAverageHasTakenTheWeightsPlace) {
  Random random;
  const auto make = [](std::int64_t every) {
    return optimizers::SGD({.learning_rate = 0.3,
                            .use_ema = true,
                            .ema_momentum = 0.5,
                            .ema_overwrite_frequency = every});
  };
  const Tensor start = random.tensor({30, 5}), g = random.tensor({30, 5});
  const VariablePtr free = variable(start.clone()), bound = variable(start.clone(), UnitNorm{});
  const OptimizerPtr without = make(2), with = make(2);
  without->build({free});
  with->build({bound});
  without->apply({g});
  with->apply({g});
  const auto average = [](const OptimizerPtr& optimizer) {
    return optimizer->variables()[2]->value();
  };
  EXPECT_TRUE(bitwise_equal(average(with), average(without))) << "of what was not constrained";
  free->assign(bound->value().clone());  // from here on the same weights
  without->apply({g});
  with->apply({g});
  EXPECT_TRUE(bitwise_equal(average(with), average(without)));
  ASSERT_TRUE(bitwise_equal(free->value(), average(without))) << "it takes their place now";
  expect_values(bound->value(),
                expected_of(free->value(), {0}, [](double n) { return 1 / (1e-7 + n); }), 1e-6,
                "the average, then the constraint");
}

TEST(Constraints, HoldInStepsThatOnlyAccumulateToo) {
  Random random;
  const Tensor start = random.tensor({30, 5});
  const auto half = MinMaxNorm{.min_value = 0, .max_value = 0.5, .rate = 0.5};
  const auto factor = [](double n) { return (0.5 * std::min(n, 0.5) + 0.5 * n) / (1e-7 + n); };
  for (const bool average : {false, true}) {
    const VariablePtr w = variable(start.clone(), half);
    const OptimizerPtr optimizer =
        optimizers::SGD({.use_ema = average, .gradient_accumulation_steps = 3});
    optimizer->build({w});
    for (int step = 0; step < 2; ++step) {
      const Tensor before = w->value().clone();
      const Tensor held = w->value();
      optimizer->apply({random.tensor({30, 5})});
      EXPECT_TRUE(bitwise_equal(held, before)) << "a copy of the old value stays as it was";
      expect_values(w->value(), expected_of(before, {0}, factor), 1e-6, "accumulated");
    }
  }
}

TEST(Constraints, DoNotTouchAVariableWithoutAGradient) {
  Random random;
  const VariablePtr moved = variable(random.tensor({6, 2}), NonNeg{});
  const VariablePtr still = variable(random.tensor({6, 2}), NonNeg{});
  const Tensor before = still->value().clone();
  const OptimizerPtr optimizer = optimizers::Adam();
  optimizer->build({moved, still});
  optimizer->apply({random.tensor({6, 2}), Tensor()});
  EXPECT_TRUE(bitwise_equal(still->value(), before));
  for (const float x : moved->value().data<float>()) EXPECT_GE(x, 0.0F);
}

TEST(Constraints, WaitWithAStepThatOverflows) {
  Random random;
  const VariablePtr w = variable(random.tensor({6, 2}), UnitNorm{});
  const OptimizerPtr optimizer =
      optimizers::LossScaleOptimizer({.inner_optimizer = optimizers::SGD()});
  optimizer->build({w});
  const Tensor before = w->value().clone();
  Tensor bad = random.tensor({6, 2});
  bad.data<float>()[3] = std::numeric_limits<float>::infinity();
  optimizer->apply({bad});
  EXPECT_TRUE(bitwise_equal(w->value(), before));
  optimizer->apply({Tensor::zeros({6, 2})});
  expect_values(w->value(), expected_of(before, {0}, [](double n) { return 1 / (1e-7 + n); }), 1e-6,
                "once the gradients are finite");
}

TEST(Constraints, HoldWithAdafactorAsWell) {
  Random random;
  const VariablePtr w = variable(random.tensor({12, 5}), MaxNorm{.max_value = 0.3, .axis = 1});
  const OptimizerPtr optimizer = optimizers::Adafactor({.learning_rate = 0.1});
  optimizer->build({w});
  for (int step = 0; step < 3; ++step) {
    optimizer->apply({random.tensor({12, 5})});
    for (std::size_t row = 0; row < 12; ++row) {
      double square = 0;
      for (const float x : w->value().data<float>().subspan(row * 5, 5)) square += double(x) * x;
      EXPECT_LE(std::sqrt(square), 0.3 + 1e-6);
    }
  }
}

TEST(Constraints, DoNotDependOnTheNumberOfThreads) {
  Random random;
  const Tensor a = random.tensor({500, 40}), b = random.tensor({77}), g = random.tensor({500, 40});
  const int threads = omp_get_max_threads();
  std::vector<Tensor> results;
  for (const int count : {1, 3}) {
    omp_set_num_threads(count);
    const std::vector<VariablePtr> all = {variable(a.clone(), MaxNorm{1.1}),
                                          variable(b.clone(), UnitNorm{})};
    const OptimizerPtr optimizer = optimizers::Adam();
    optimizer->build(all);
    optimizer->apply({g, b});
    for (const VariablePtr& each : all) results.push_back(each->value());
  }
  omp_set_num_threads(threads);
  EXPECT_TRUE(bitwise_equal(results[0], results[2]));
  EXPECT_TRUE(bitwise_equal(results[1], results[3]));
}

TEST(Constraints, WithAxesThatAVariableLacksAreRefusedByName) {
  const auto refusal = [](const Constraint& constraint) {
    return message_of([&] {
      optimizers::SGD()->build({variable(Tensor::zeros({3, 2}), constraint)});
    });
  };
  EXPECT_THAT(refusal(MaxNorm{.axis = 2}), AllOf(HasSubstr("MaxNorm"), HasSubstr("'dense/kernel'"),
                                                 HasSubstr("(3, 2)"), HasSubstr("axis=2")));
  EXPECT_THAT(refusal(UnitNorm{.axis = -3}), HasSubstr("out of bounds"));
  EXPECT_THAT(refusal(MinMaxNorm{.axis = {0, -2}}), HasSubstr("names an axis twice"));
  EXPECT_EQ(refusal(NonNeg{}), "nothing was thrown");
}

}  // namespace
}  // namespace lamina

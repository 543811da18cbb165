// What tests of the layers that go through sequences are written with.
#pragma once
#include <gtest/gtest.h>
#include <lamina/layer.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/fresh_seed.h"
#include "tests/random_choice.h"

namespace lamina::test {

inline double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

/// Of float64.
inline void expect_near(const std::vector<Tensor>& got, const std::vector<Tensor>& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].shape(), wanted[i].shape()) << i;
    for (std::size_t k = 0; k < got[i].data<double>().size(); ++k) {
      ASSERT_NEAR(got[i].data<double>()[k], wanted[i].data<double>()[k], 1e-10) << i << ", " << k;
    }
  }
}

/// A line for each, of its path and shape.
inline std::string variables_of(const Layer& layer) {
  std::string text;
  for (const VariablePtr& variable : layer.variables()) {
    text += variable->path() + " " + variable->shape().str() + "\n";
  }
  return text;
}

/// Random tensors of float64.
class RecurrenceScene : public ::testing::Test {
 protected:
  Tensor tensor(const Shape& shape) {
    std::normal_distribution<double> normal;
    Tensor values = Tensor::empty(shape, DType::kFloat64);
    for (double& value : values.data<double>()) value = normal(random_);
    return values;
  }
  bool coin() { return pick(random_, 0, 1) == 1; }

  /// Gives the layer random weights, small enough that states do not blow up roundings; their
  /// values.
  std::vector<Tensor> randomized(const Layer& layer) {
    std::vector<Tensor> values;
    for (const VariablePtr& variable : layer.variables()) {
      values.push_back(tensor(variable->shape()));
      for (double& value : values.back().data<double>()) value /= 3;
      variable->assign(values.back());
    }
    return values;
  }

  /// For steps of x, (batch, time, ...).
  Tensor random_mask(const Tensor& x) {
    Tensor mask = Tensor::empty({x.shape()[0], x.shape()[1]}, DType::kBool);
    for (bool& counts : mask.data<bool>()) counts = coin();
    return mask;
  }
  /// x with what nothing may come of in all steps that are masked.
  static Tensor broken_where_masked(const Tensor& x, const Tensor& mask) {
    Tensor broken = x.clone();
    const auto step = static_cast<std::size_t>(x.size() / mask.size());
    for (std::size_t i = 0; i < broken.data<double>().size(); ++i) {
      if (!mask.data<bool>()[i / step]) {
        broken.data<double>()[i] = std::numeric_limits<double>::quiet_NaN();
      }
    }
    return broken;
  }

  const unsigned seed_ = fresh_seed();
  std::mt19937 random_{seed_};
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "LAMINA_TEST_SEED=" + std::to_string(seed_)};
};

}  // namespace lamina::test

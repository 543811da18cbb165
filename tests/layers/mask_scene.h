// What tests of masks are written with.
#pragma once
#include <gtest/gtest.h>
#include <lamina/layers.h>
#include <lamina/model.h>

#include <random>
#include <string>

#include "tests/fresh_seed.h"

namespace lamina::test {

namespace L = lamina::layers;

/// Computes in float64.
class MaskScene : public ::testing::Test {
 protected:
  void SetUp() override { set_dtype_policy("float64"); }
  void TearDown() override { set_dtype_policy("float32"); }

  Tensor normal(const Shape& shape) {
    std::normal_distribution<double> distribution;
    Tensor values = Tensor::empty(shape, DType::kFloat64);
    for (double& value : values.data<double>()) value = distribution(random_);
    return values;
  }
  /// True or false, but true for the first of each last axis.
  Tensor flags(const Shape& shape) {
    Tensor values = Tensor::empty(shape, DType::kBool);
    const auto elements = values.data<bool>();
    const auto last = static_cast<std::size_t>(shape[-1]);
    for (std::size_t i = 0; i < elements.size(); ++i) {
      elements[i] = i % last == 0 || random_() % 2 == 0;
    }
    return values;
  }
  /// Sentences of `length` words, of which each has at least one and is padded with 0.
  Tensor sentences(std::int64_t rows, std::int64_t length) {
    Tensor ids = Tensor::zeros({rows, length}, DType::kInt32);
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t words = 1 + static_cast<std::int64_t>(random_() % std::uint64_t(length));
      for (std::int64_t i = 0; i < words; ++i) {
        ids.data<std::int32_t>()[std::size_t(row * length + i)] =
            1 + static_cast<std::int32_t>(random_() % 6);
      }
    }
    return ids;
  }
  void randomize(const Model& model) {
    for (const VariablePtr& variable : model.variables()) {
      variable->assign(normal(variable->shape()));
    }
  }
  static SymbolicTensor input(const Shape& shape, const std::string& dtype = "float64") {
    return L::Input({.dtype = dtype, .batch_shape = shape});
  }

  const unsigned seed_ = test::fresh_seed();
  std::mt19937_64 random_{seed_};
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "LAMINA_TEST_SEED=" + std::to_string(seed_)};
};

/// An element, whatever the dtype.
inline double at(const Tensor& tensor, std::initializer_list<std::int64_t> indices) {
  std::int64_t place = 0;
  std::size_t axis = 0;
  for (const std::int64_t index : indices) place = place * tensor.shape().dims()[axis++] + index;
  return tensor.cast(DType::kFloat64).data<double>()[static_cast<std::size_t>(place)];
}

inline void expect_near(const Tensor& found, const Tensor& wanted, double tolerance = 1e-11) {
  ASSERT_EQ(found.shape(), wanted.shape());
  for (std::size_t i = 0; i < wanted.data<double>().size(); ++i) {
    ASSERT_NEAR(found.data<double>()[i], wanted.data<double>()[i], tolerance) << "element " << i;
  }
}

}  // namespace lamina::test

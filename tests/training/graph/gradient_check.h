#pragma once
#include <gtest/gtest.h>
#include <lamina/lamina.h>

#include <random>
#include <string>
#include <vector>

#include "tests/random_choice.h"
#include "training/graph/train_graph.h"

namespace lamina::training::testkit {

using Random = std::mt19937_64;
using lamina::test::pick;

/// A generator whose seed is fresh (or LAMINA_TEST_SEED) and printed when a test fails.
class Seeded {
 public:
  Seeded();
  Random& operator*() { return random_; }
  [[nodiscard]] std::string note() const { return "LAMINA_TEST_SEED=" + std::to_string(seed_); }

 private:
  unsigned seed_;
  Random random_;
};

/// Standard normal values.
[[nodiscard]] Tensor random_normal(const Shape& shape, DType dtype, Random& random);
/// Integers in [0, bound).
[[nodiscard]] Tensor random_ids(const Shape& shape, std::int64_t bound, DType dtype,
                                Random& random);
/// Gives every variable random values, so that nothing hides behind zeros and ones; a variance
/// stays positive.
void randomize(Model& model, Random& random);

/// A model of one layer between placeholders of these shapes (batch first).
[[nodiscard]] ModelPtr model_of(const LayerRef& layer, const std::vector<Shape>& inputs,
                                const std::string& dtype = "float64");

/// Holds the gradients of a random linear function of the model's outputs, and of what regularizers
/// add to it, with respect to every trainable variable and floating input, against central
/// differences: 1e-6 relative. The model computes in float64. Elements beside a kink, where
/// differences of two widths disagree, are passed over, but not many.
void expect_gradients(Model& model, const std::vector<Tensor>& inputs, Random& random);

}  // namespace lamina::training::testkit

#include <gtest/gtest.h>
#include <lamina/lamina.h>

#include <cmath>

using namespace lamina;

// Its kernel takes gamma and beta, of which there are none: it must be told so before the first
// run.
TEST(Predict, NormalisesWithoutScaleAndCenter) {
  const auto x = layers::Input({.shape = {4}});
  const auto y = layers::LayerNormalization({.center = false, .scale = false})(x);
  const Tensor out = Functional::create(x, y)->predict(Tensor::from<float>({1, 2, 3, 4}, {1, 4}));
  ASSERT_EQ(out.size(), 4);
  for (int i = 0; i < 4; ++i) {
    EXPECT_NEAR(out.data<float>()[static_cast<std::size_t>(i)],
                (i + 1 - 2.5) / std::sqrt(1.25 + 1e-3), 1e-6);
  }
}

#pragma once
#include <lamina/lamina.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "helpers.h"
#include "tests/fakes/temporary_directory.h"

namespace lamina::test {

using Scratch = lamina::testing::TemporaryDirectory;

/// Throws once so many steps of this run are done: a crash that a test can watch.
class Crash : public Callback {
 public:
  explicit Crash(std::int64_t steps) : left_(steps) {}
  void on_train_batch_end(FitRun&, std::int64_t, const Logs&) override {
    if (left_-- == 0) throw Error("crash");
  }

 private:
  std::int64_t left_;
};

/// Points on three noisy spokes, with their spoke's number.
struct Spokes {
  Tensor x, y;
  explicit Spokes(Random& random, std::int64_t rows = 120)
      : x(Tensor::empty({rows, 4})), y(random.classes({rows}, 3)) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(rows); ++i) {
      for (std::size_t k = 0; k < 4; ++k) {
        const bool on = static_cast<std::int64_t>(k) == y.data<std::int64_t>()[i];
        x.data<float>()[i * 4 + k] =
            static_cast<float>((on ? 1.0 : 0.0) + random.uniform(-0.4, 0.4));
      }
    }
  }
};

/// A small classifier with every kind of state: dropout, batch normalisation, biases. The same
/// weights each time for one seed.
inline ModelPtr classifier(std::uint64_t seed = 7, double dropout = 0.3) {
  set_random_seed(seed);
  auto x = layers::Input({.shape = {4}});
  auto y = layers::Dense({.units = 16, .activation = "relu"})(x);
  y = layers::BatchNormalization()(y);
  y = layers::Dropout({.rate = dropout})(y);
  y = layers::Dense({.units = 3, .activation = "softmax"})(y);
  return Functional::create(x, y);
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline std::vector<Tensor> values_of(const std::vector<VariablePtr>& variables) {
  std::vector<Tensor> out;
  for (const VariablePtr& variable : variables) out.push_back(variable->value().clone());
  return out;
}

inline void expect_same_bits(const std::vector<VariablePtr>& u, const std::vector<VariablePtr>& v) {
  ASSERT_EQ(u.size(), v.size());
  for (std::size_t i = 0; i < u.size(); ++i) {
    EXPECT_TRUE(bitwise_equal(u[i]->value(), v[i]->value())) << u[i]->path();
  }
}

/// Weights and optimizer state, bit for bit.
inline void expect_same_bits(const Model& a, const Model& b) {
  expect_same_bits(a.variables(), b.variables());
  expect_same_bits(a.optimizer()->variables(), b.optimizer()->variables());
}

}  // namespace lamina::test

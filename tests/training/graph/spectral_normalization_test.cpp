// What SpectralNormalization does in training, beside what keras_cases.json holds it to: the norm,
// what counts as constant for the gradient, what of a step stays, and weights files.
#include <gmock/gmock.h>
#include <lamina/lamina.h>

#include <cmath>

#include "tests/fakes/temporary_directory.h"
#include "tests/training/graph/gradient_check.h"

namespace lamina::training {
namespace {

using namespace testkit;
using ::testing::HasSubstr;

using Numbers = std::vector<double>;

Numbers numbers(const Tensor& tensor) {
  const Tensor wide = tensor.cast(DType::kFloat64);
  const auto all = wide.data<double>();
  return {all.begin(), all.end()};
}

void normalize(Numbers& x) {
  double squares = 0;
  for (const double value : x) squares += value * value;
  for (double& value : x) value /= std::max(std::sqrt(squares), 1e-7);
}

/// A kernel (rows, columns), and what power iteration from `u` makes of it.
struct Iterated {
  Iterated(Numbers kernel, Numbers start, int iterations)
      : w(std::move(kernel)), u(std::move(start)), v(w.size() / u.size()) {
    for (int i = 0; i < iterations; ++i) {
      for (std::size_t row = 0; row < v.size(); ++row) {
        v[row] = 0;
        for (std::size_t k = 0; k < u.size(); ++k) v[row] += u[k] * at(row, k);
      }
      normalize(v);
      for (std::size_t k = 0; k < u.size(); ++k) {
        u[k] = 0;
        for (std::size_t row = 0; row < v.size(); ++row) u[k] += v[row] * at(row, k);
      }
      normalize(u);
    }
    for (std::size_t row = 0; row < v.size(); ++row) {
      for (std::size_t k = 0; k < u.size(); ++k) norm += v[row] * at(row, k) * u[k];
    }
  }
  [[nodiscard]] double at(std::size_t row, std::size_t k) const { return w[row * u.size() + k]; }

  Numbers w, u, v;
  double norm = 0;
};

class SpectralNorm : public ::testing::Test {
 protected:
  void SetUp() override { set_dtype_policy("float64"); }
  void TearDown() override {
    set_dtype_policy("float32");
    if (HasFailure()) std::printf("%s\n", seeded.note().c_str());
  }
  /// Of Dense with `units`, on rows of `features`.
  ModelPtr model(std::int64_t features, std::int64_t units, std::int64_t iterations) {
    const ModelPtr made =
        model_of(layers::SpectralNormalization(
                     {.layer = layers::Dense({.units = units}), .power_iterations = iterations}),
                 {{kNone, features}});
    randomize(*made, random);
    return made;
  }
  /// The variable of this name.
  static VariablePtr named(const Model& model, const std::string& name) {
    for (const VariablePtr& variable : model.variables()) {
      if (variable->name() == name) return variable;
    }
    return nullptr;
  }

  Seeded seeded;
  Random& random = *seeded;
};

TEST_F(SpectralNorm, DividesInTrainingWithConstantVectors) {
  const int iterations = static_cast<int>(pick(random, 1, 3));
  const ModelPtr made = model(4, 3, iterations);
  const Tensor x = random_normal({5, 4}, DType::kFloat64, random);
  const Tensor dy = random_normal({5, 3}, DType::kFloat64, random);
  const Numbers bias = numbers(named(*made, "bias")->value());
  const Numbers kernel = numbers(named(*made, "kernel")->value());
  const Iterated expected(kernel, numbers(named(*made, "vector_u")->value()), iterations);

  TrainGraph graph(*made, {{5, 4}});
  const Numbers y = numbers(graph.forward({x})[0]), in = numbers(x), slope = numbers(dy);
  Numbers plain(12, 0);  // x^T dy
  double all = 0;        // the sum of dy times what the kernel gives
  for (std::size_t row = 0; row < 5; ++row) {
    for (std::size_t k = 0; k < 3; ++k) {
      double sum = 0;
      for (std::size_t i = 0; i < 4; ++i) {
        sum += in[row * 4 + i] * expected.at(i, k);
        plain[i * 3 + k] += in[row * 4 + i] * slope[row * 3 + k];
      }
      all += sum * slope[row * 3 + k];
      EXPECT_NEAR(y[row * 3 + k], sum / expected.norm + bias[k], 1e-9);
    }
  }
  const std::vector<Tensor>& gradients = graph.backward({dy});
  ASSERT_EQ(graph.variables()[0]->name(), "kernel");
  const Numbers of_kernel = numbers(gradients[0]);
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t k = 0; k < 3; ++k) {
      const double through_norm =
          all / (expected.norm * expected.norm) * expected.v[i] * expected.u[k];
      EXPECT_NEAR(of_kernel[i * 3 + k], plain[i * 3 + k] / expected.norm - through_norm, 1e-9);
    }
  }
  graph.update_state();
  const Numbers u = numbers(named(*made, "vector_u")->value());
  for (std::size_t k = 0; k < 3; ++k) EXPECT_NEAR(u[k], expected.u[k], 1e-12);
  EXPECT_EQ(numbers(named(*made, "kernel")->value()), kernel);
}

TEST_F(SpectralNorm, LeavesAKernelOfZerosAndItsVector) {
  const ModelPtr made = model(4, 3, 1);
  const VariablePtr kernel = named(*made, "kernel"), vector = named(*made, "vector_u");
  kernel->assign(Tensor::zeros({4, 3}, DType::kFloat64));
  const Numbers before = numbers(vector->value());
  TrainGraph graph(*made, {{5, 4}});
  const Numbers y = numbers(graph.forward({random_normal({5, 4}, DType::kFloat64, random)})[0]);
  const Numbers bias = numbers(named(*made, "bias")->value());
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], bias[i % 3]);
  graph.update_state();
  EXPECT_EQ(numbers(vector->value()), before);
}

TEST_F(SpectralNorm, HoldsForConvolutions) {
  const auto x = layers::Input({.dtype = "float64", .batch_shape = Shape{2, 5, 4, 3}});
  const LayerRef plain = layers::Conv2D({.filters = 2, .kernel_size = 2, .padding = "same"});
  const ModelPtr made = Functional::create(x, layers::SpectralNormalization({.layer = plain})(x));
  randomize(*made, random);
  const Tensor data = random_normal({2, 5, 4, 3}, DType::kFloat64, random);
  const Iterated expected(numbers(named(*made, "kernel")->value()),
                          numbers(named(*made, "vector_u")->value()), 1);
  const Numbers bias = numbers(named(*made, "bias")->value());
  const Numbers predicted = numbers(made->predict(data));
  TrainGraph graph(*made, {{2, 5, 4, 3}});
  const Numbers y = numbers(graph.forward({data})[0]);
  for (std::size_t i = 0; i < y.size(); ++i) {
    EXPECT_NEAR(y[i] - bias[i % 2], (predicted[i] - bias[i % 2]) / expected.norm, 1e-9);
  }
}

TEST_F(SpectralNorm, HasItsKernelTwiceInFiles) {
  testing::TemporaryDirectory folder;
  const ModelPtr made = model(4, 3, 1), other = model(4, 3, 1);
  EXPECT_EQ(made->variables().size(), 3U);
  EXPECT_EQ(made->trainable_variables().size(), 2U);
  made->save_weights(folder / "w.weights.h5");
  const std::string path = "layers/spectral_normalization/";
  const Tensor kernel = made->variables()[0]->value(), vector = made->variables()[1]->value();
  EXPECT_TRUE(bitwise_equal(read_hdf5(folder / "w.weights.h5", path + "vars/0"), kernel));
  EXPECT_TRUE(bitwise_equal(read_hdf5(folder / "w.weights.h5", path + "vars/1"), vector));
  EXPECT_TRUE(bitwise_equal(read_hdf5(folder / "w.weights.h5", path + "layer/vars/0"), kernel));
  other->load_weights(folder / "w.weights.h5");
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(bitwise_equal(other->variables()[i]->value(), made->variables()[i]->value()));
  }
}

TEST_F(SpectralNorm, NeedsALayerWithAKernel) {
  const auto refusal = [](const auto& make) -> std::string {
    try {
      make();
    } catch (const ValueError& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  EXPECT_THAT(refusal([] { (void)layers::SpectralNormalization({}); }),
              HasSubstr("Layer None supplied to Wrapper"));
  EXPECT_THAT(refusal([] {
                (void)layers::SpectralNormalization(
                    {.layer = layers::Dense({.units = 1}), .power_iterations = 0});
              }),
              HasSubstr("`power_iterations` should be greater than zero."));
  EXPECT_THAT(refusal([] {
                const auto x = layers::Input({.shape = {3}});
                (void)layers::SpectralNormalization({.layer = layers::BatchNormalization()})(x);
              }),
              HasSubstr("BatchNormalization object has no attribute 'kernel' nor 'embeddings'"));
}

}  // namespace
}  // namespace lamina::training

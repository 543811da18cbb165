// Muon against its formula in double; against Keras: tests/interop.
#include <gmock/gmock.h>
#include <lamina/optimizers.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/training/helpers.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Matrix = std::vector<std::vector<double>>;

VariablePtr variable(const std::string& path, const Tensor& value) {
  auto out = std::make_shared<Variable>(path.substr(path.find('/') + 1), value);
  out->set_path(path);
  return out;
}

Matrix zeros(std::size_t rows, std::size_t columns) {
  return Matrix(rows, std::vector<double>(columns, 0.0));
}

Matrix matrix_of(const Tensor& x) {
  const Tensor wide = x.cast(DType::kFloat64);
  const auto values = wide.data<double>();
  Matrix out = zeros(std::size_t(x.shape()[0]), std::size_t(x.shape()[1]));
  for (std::size_t i = 0; i < values.size(); ++i) {
    out[i / out[0].size()][i % out[0].size()] = values[i];
  }
  return out;
}

Matrix transposed(const Matrix& x) {
  Matrix out = zeros(x[0].size(), x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t k = 0; k < x[0].size(); ++k) out[k][i] = x[i][k];
  }
  return out;
}

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix out = zeros(a.size(), b[0].size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < b.size(); ++j) {
      for (std::size_t k = 0; k < b[0].size(); ++k) out[i][k] += a[i][j] * b[j][k];
    }
  }
  return out;
}

/// a x + b y
Matrix sum(double a, const Matrix& x, double b, const Matrix& y) {
  Matrix out = x;
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t k = 0; k < x[0].size(); ++k) out[i][k] = a * x[i][k] + b * y[i][k];
  }
  return out;
}

Matrix orthogonal(const Matrix& u, const optimizers::MuonOptions& o) {
  if (u.size() > u[0].size()) return transposed(orthogonal(transposed(u), o));
  double squares = 0;
  for (const auto& row : u) {
    for (const double x : row) squares += x * x;
  }
  Matrix x = sum(1 / (std::sqrt(squares) + 1e-7), u, 0, u);
  for (std::int64_t i = 0; i < o.ns_steps; ++i) {
    const Matrix p = product(x, transposed(x));
    x = sum(o.muon_a, x, 1, product(sum(o.muon_b, p, o.muon_c, product(p, p)), x));
  }
  return x;
}

void expect_near(const Tensor& found, const Matrix& wanted, double tolerance) {
  const Matrix values = matrix_of(found);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    for (std::size_t k = 0; k < wanted[0].size(); ++k) {
      ASSERT_NEAR(values[i][k], wanted[i][k], tolerance) << i << " " << k;
    }
  }
}

/// Takes some random steps with matrices of these shapes, and with the formula.
void expect_follows(const optimizers::MuonOptions& o, const std::vector<Shape>& shapes) {
  Random random;
  std::vector<VariablePtr> variables;
  std::vector<Matrix> w, m;
  for (const Shape& shape : shapes) {
    variables.push_back(variable("dense/kernel", random.tensor(shape)));
    w.push_back(matrix_of(variables.back()->value()));
    m.push_back(sum(0, w.back(), 0, w.back()));
  }
  const OptimizerPtr muon = optimizers::Muon(o);
  muon->build(variables);
  const double rate = muon->learning_rate();
  for (int step = 0; step < 6; ++step) {
    std::vector<Tensor> gradients;
    for (std::size_t v = 0; v < shapes.size(); ++v) {
      gradients.push_back(random.tensor(shapes[v]));
      const Matrix g = matrix_of(gradients[v]);
      m[v] = sum(o.momentum, m[v], 1, g);
      const Matrix x = orthogonal(o.nesterov ? sum(o.momentum, m[v], 1, g) : m[v], o);
      const auto largest = static_cast<double>(std::max(w[v].size(), w[v][0].size()));
      const double scale = o.rms_rate ? *o.rms_rate * std::sqrt(largest) : 1;
      w[v] = sum(1 - o.weight_decay.value_or(0) * rate, w[v], -rate * scale, x);
    }
    muon->apply(gradients);
  }
  for (std::size_t v = 0; v < shapes.size(); ++v) {
    SCOPED_TRACE(shapes[v].str());
    expect_near(variables[v]->value(), w[v], 2e-4);
  }
}

TEST(Muon, MovesMatricesByOrthogonalOnes) {
  Random random;
  const std::vector<Shape> shapes{{random.integer(2, 20), random.integer(21, 90)},
                                  {random.integer(50, 90), random.integer(2, 40)},
                                  {7, 7},
                                  {1, 5},
                                  {6, 1}};
  expect_follows({.learning_rate = 0.01}, shapes);
  expect_follows({.learning_rate = 0.02, .weight_decay = 0.5, .momentum = 0.6, .nesterov = false},
                 shapes);
  expect_follows({.learning_rate = 0.05, .weight_decay = {}, .ns_steps = 2, .rms_rate = {}},
                 shapes);
  expect_follows({.learning_rate = 0.01,
                  .muon_a = 2,
                  .muon_b = -1.5,
                  .muon_c = 0.5,
                  .momentum = 0,
                  .ns_steps = 9},
                 shapes);
  expect_follows({.learning_rate = 0.01, .ns_steps = 0}, shapes);
}

TEST(Muon, MovesTheOthersAsAdamWDoes) {
  Random random;
  const std::vector<std::pair<std::string, Shape>> others{{"dense/bias", {40000}},
                                                          {"conv/kernel", {3, 3, 2, 5}},
                                                          {"my_Embedding_2/embeddings", {9, 4}},
                                                          {"head_7/kernel", {4, 6}},
                                                          {"scale/value", {}}};
  std::vector<VariablePtr> variables, copies;
  for (const auto& [path, shape] : others) {
    variables.push_back(variable(path, random.tensor(shape)));
    copies.push_back(variable(path, variables.back()->value().clone()));
  }
  const OptimizerPtr muon = optimizers::Muon({.adam_beta_1 = 0.8,
                                              .adam_beta_2 = 0.95,
                                              .adam_weight_decay = 0.3,
                                              .epsilon = 1e-3,
                                              .exclude_layers = {"^head_[0-9]", "nothing"}});
  const OptimizerPtr adam =
      optimizers::AdamW({.weight_decay = 0.3, .beta_1 = 0.8, .beta_2 = 0.95, .epsilon = 1e-3});
  muon->build(variables);
  adam->build(copies);
  for (int step = 0; step < 4; ++step) {
    std::vector<Tensor> gradients;
    for (const VariablePtr& each : variables) gradients.push_back(random.tensor(each->shape()));
    muon->apply(gradients);
    adam->apply(gradients);
  }
  for (std::size_t i = 0; i < variables.size(); ++i) {
    EXPECT_TRUE(bitwise_equal(variables[i]->value(), copies[i]->value())) << others[i].first;
  }
  EXPECT_EQ(muon->variables().size(), adam->variables().size());
}

TEST(Muon, RatesAndDecaysOfBothKindsAreTheirOwn) {
  Random random;
  const auto shrunk = [&](optimizers::MuonOptions options) {
    const Tensor start = Tensor::from<float>({1, 2}, {1, 2});
    const VariablePtr matrix = variable("dense/kernel", start.clone()),
                      bias = variable("dense/bias", start.reshape({2}).clone());
    options.learning_rate = 0.5;
    const OptimizerPtr muon = optimizers::Muon(options);
    muon->exclude_from_weight_decay({"gamma"});
    muon->build({matrix, bias});
    muon->apply({Tensor::zeros({1, 2}), Tensor::zeros({2})});
    return std::vector<float>{matrix->value().data<float>()[1], bias->value().data<float>()[1]};
  };
  EXPECT_THAT(shrunk({.adam_weight_decay = 0.5, .weight_decay = 0.25}), ElementsAre(1.75F, 1.5F));
  EXPECT_THAT(shrunk({.adam_weight_decay = {}, .weight_decay = 0.25}), ElementsAre(1.75F, 2));
  EXPECT_THAT(shrunk({.adam_weight_decay = 0.5, .weight_decay = {}}), ElementsAre(2, 1.5F));

  const auto moved = [&](double ratio) {
    const VariablePtr bias = variable("dense/bias", Tensor::zeros({1}));
    const OptimizerPtr muon = optimizers::Muon({.learning_rate = 0.01, .adam_lr_ratio = ratio});
    muon->build({bias});
    muon->apply({Tensor::from<float>({1}, {1})});
    return bias->value().data<float>()[0];
  };
  EXPECT_NEAR(moved(0.25), 0.25 * moved(1), 1e-7);
  EXPECT_NEAR(moved(1), -0.01, 1e-5);
}

TEST(Muon, StateStandsInKerasOrder) {
  const OptimizerPtr muon = optimizers::Muon({.use_ema = true, .exclude_embeddings = false});
  muon->build({variable("a/kernel", Tensor::zeros({2, 3})), variable("a/bias", Tensor::zeros({3})),
               variable("embedding/embeddings", Tensor::zeros({4, 2}))});
  std::vector<std::string> names;
  for (const VariablePtr& each : muon->variables()) names.push_back(each->name());
  EXPECT_THAT(names,
              ElementsAre("iteration", "learning_rate", "a_kernel_average", "a_bias_average",
                          "embedding_embeddings_average", "a_kernel_momentum", "a_bias_momentum",
                          "a_bias_velocity", "embedding_embeddings_momentum"));
}

TEST(Muon, AccumulatesAndClipsBeforeItMoves) {
  Random random;
  const Tensor start = random.tensor({6, 9}), a = random.tensor({6, 9}), b = random.tensor({6, 9});
  Tensor mean = Tensor::empty({6, 9});
  for (std::size_t i = 0; i < 54; ++i) {
    const float both = (a.data<float>()[i] + b.data<float>()[i]) / 2;
    mean.data<float>()[i] = std::clamp(both, -0.3F, 0.3F);
  }
  const VariablePtr plain = variable("dense/kernel", start.clone()),
                    parts = variable("dense/kernel", start.clone());
  const OptimizerPtr reference = optimizers::Muon({.learning_rate = 0.1}),
                     accumulating = optimizers::Muon({.learning_rate = 0.1,
                                                      .clipvalue = 0.3,
                                                      .gradient_accumulation_steps = 2});
  reference->build({plain});
  accumulating->build({parts});
  for (int step = 0; step < 3; ++step) {
    reference->apply({mean});
    accumulating->apply({a});
    accumulating->apply({b});
  }
  expect_near(parts->value(), matrix_of(plain->value()), 1e-4);
}

TEST(Muon, NarrowAndWideMatricesAreComputedAsTheirTypeSays) {
  Random random;
  const Tensor start = random.tensor({5, 8}), g = random.tensor({5, 8}).cast(DType::kFloat16);
  const auto moved = [&](DType dtype) {
    const VariablePtr w = variable("dense/kernel", start.cast(DType::kFloat16).cast(dtype));
    const OptimizerPtr muon = optimizers::Muon({.learning_rate = 0.1});
    muon->build({w});
    muon->apply({g});
    EXPECT_EQ(w->value().dtype(), dtype);
    return w->value();
  };
  const Matrix wide = matrix_of(moved(DType::kFloat64));
  expect_near(moved(DType::kFloat32), wide, 1e-5);
  expect_near(moved(DType::kFloat16), wide, 2e-3);
  expect_near(moved(DType::kBFloat16), wide, 2e-2);
}

TEST(Muon, SeesWhatIsLostAndLeavesWhatHasNoGradient) {
  Random random;
  const VariablePtr w = variable("dense/kernel", random.tensor({3, 4})),
                    other = variable("other/kernel", random.tensor({3, 4})),
                    none = variable("none/kernel", Tensor::zeros({0, 4}));
  const Tensor before = other->value().clone();
  const OptimizerPtr muon = optimizers::Muon();
  muon->build({w, other, none});
  muon->apply({Tensor::zeros({3, 4}), Tensor(), Tensor::zeros({0, 4})});
  EXPECT_TRUE(muon->finite());
  Tensor lost = random.tensor({3, 4});
  lost.data<float>()[5] = std::numeric_limits<float>::quiet_NaN();
  muon->apply({lost, Tensor(), Tensor::zeros({0, 4})});
  EXPECT_FALSE(muon->finite());
  EXPECT_TRUE(bitwise_equal(other->value(), before));
}

TEST(Muon, RefusesWhatCannotBe) {
  EXPECT_THAT(message_of([] {
                (void)optimizers::Muon({.exclude_layers = {"ok", "("}});
              }),
              HasSubstr("`exclude_layers` are regular expressions. Received: '(', which is none"));
  EXPECT_EQ(message_of([] { (void)optimizers::Muon({.ns_steps = -1}); }),
            "`ns_steps` must be an integer from 0 to 100. Received: ns_steps=-1");
  EXPECT_THROW((void)optimizers::Muon({.ns_steps = 101}), ValueError);
  EXPECT_THROW((void)optimizers::Muon({.clipnorm = 1.0, .clipvalue = 1.0}), ValueError);
}

TEST(Muon, IsMadeOfWords) {
  const OptimizerPtr muon = optimizers::get("muon");
  EXPECT_EQ(muon->class_name(), "Muon");
  EXPECT_EQ(muon->name().rfind("muon", 0), 0U);
}

}  // namespace
}  // namespace lamina

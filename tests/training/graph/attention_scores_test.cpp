// Training with the scores that attention returns: their gradients, and what dropout does to them.
#include <algorithm>
#include <cmath>
#include <set>

#include "tests/training/graph/gradient_check.h"
#include "tests/training/graph/gradient_rows.h"

namespace lamina::training {
namespace {

using namespace testkit;

const std::set<std::string> kReturningScores{"MultiHeadAttention", "GroupQueryAttention",
                                             "Attention", "AdditiveAttention"};
constexpr std::size_t kPlaces = 50;
constexpr double kRate = 0.4;

class TrainedScores : public testing::Test {
 protected:
  void SetUp() override { set_dtype_policy("float64"); }
  void TearDown() override { set_dtype_policy("float32"); }
  /// What a call returns that asks for scores.
  static SymbolicTensors scored(const LayerRef& layer, const SymbolicTensors& inputs) {
    return layer->apply(inputs, {{"return_attention_scores", true}});
  }
  const SymbolicTensor x = layers::Input({.dtype = "float64", .batch_shape = Shape{2, kPlaces, 4}});
  Seeded seeded;
  Random& random = *seeded;
  testing::ScopedTrace trace{__FILE__, __LINE__, seeded.note()};
};

TEST_F(TrainedScores, HaveGradientsByThemselvesAndBesideTheOutput) {
  std::size_t kinds = 0;
  for (const Row& row : rows_of_attention()) {
    if (!kReturningScores.contains(row.name)) continue;
    ++kinds;
    for (int i = 0; i < 4 && !HasFailure(); ++i) {
      SCOPED_TRACE(row.name);
      const Case made = row.make(random);
      SymbolicTensors placeholders;
      std::vector<Tensor> inputs;
      for (const Shape& shape : made.inputs) {
        placeholders.push_back(layers::Input({.dtype = "float64", .batch_shape = shape}));
        inputs.push_back(random_normal(shape, DType::kFloat64, random));
      }
      const SymbolicTensors outputs = scored(made.layer, placeholders);
      const auto model =
          Functional::create(placeholders, i % 2 == 0 ? outputs : SymbolicTensors{outputs.at(1)});
      randomize(*model, random);
      expect_gradients(*model, inputs, random);
    }
  }
  EXPECT_EQ(kinds, kReturningScores.size());
}

/// What a model gives of one input, when it predicts and in a step of training.
struct Runs {
  std::vector<Tensor> predicted, trained;
};
Runs runs_of(Model& model, const Tensor& data) {
  TrainGraph graph(model, {data.shape()});
  Runs runs{model.predict(std::vector<Tensor>{data}), {}};
  for (const Tensor& output : graph.forward({data}, {1, 1})) {
    runs.trained.push_back(output.clone());
  }
  return runs;
}

TEST_F(TrainedScores, OfHeadsAreWholeWhateverIsDropped) {
  for (const LayerRef& layer :
       {layers::MultiHeadAttention({.num_heads = 2, .key_dim = 3, .dropout = kRate}),
        layers::GroupQueryAttention(
            {.head_dim = 3, .num_query_heads = 4, .num_key_value_heads = 2, .dropout = kRate})}) {
    const auto model = Functional::create({x}, scored(layer, {x, x}));
    randomize(*model, random);
    const Runs runs = runs_of(*model, random_normal(x.shape(), DType::kFloat64, random));
    double apart = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(runs.predicted[0].size()); ++i) {
      apart = std::max(
          apart, std::abs(runs.trained[0].data<double>()[i] - runs.predicted[0].data<double>()[i]));
    }
    EXPECT_GT(apart, 1e-3) << "nothing was dropped";
    for (std::size_t i = 0; i < static_cast<std::size_t>(runs.predicted[1].size()); ++i) {
      ASSERT_NEAR(runs.trained[1].data<double>()[i], runs.predicted[1].data<double>()[i], 1e-12);
    }
  }
}

TEST_F(TrainedScores, WithoutHeadsAreWhatDropoutLeaves) {
  for (const LayerRef& layer :
       {layers::Attention({.dropout = kRate}), layers::AdditiveAttention({.dropout = kRate})}) {
    const auto model = Functional::create({x}, scored(layer, {x, x}));
    randomize(*model, random);
    const Tensor data = random_normal(x.shape(), DType::kFloat64, random);
    const Runs runs = runs_of(*model, data);
    const auto scores = runs.trained[1].data<double>(), whole = runs.predicted[1].data<double>();
    double dropped = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (scores[i] == 0) {
        ++dropped;
      } else {
        ASSERT_NEAR(scores[i], whole[i] / (1 - kRate), 1e-12);
      }
    }
    EXPECT_NEAR(dropped / static_cast<double>(scores.size()), kRate, 0.05);
    for (std::size_t row = 0; row < 2 * kPlaces; ++row) {
      double sum = 0;
      for (std::size_t s = 0; s < kPlaces; ++s) {
        sum += scores[row * kPlaces + s] * data.data<double>()[(row / kPlaces * kPlaces + s) * 4];
      }
      ASSERT_NEAR(runs.trained[0].data<double>()[row * 4], sum, 1e-11);
    }
  }
}

}  // namespace
}  // namespace lamina::training

// The scores that calls of attention return beside what they attend to.
#include <lamina/error.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/layers/expect_words.h"
#include "tests/layers/mask_scene.h"

using namespace lamina;
using namespace lamina::test;

namespace {

using AttentionScores = MaskScene;

const CallArguments kScores{{"return_attention_scores", true}};

CallArguments with_scores(CallArguments arguments) {
  arguments.insert(kScores.begin(), kScores.end());
  return arguments;
}

std::string shapes_of(const SymbolicTensors& tensors) {
  std::string text;
  for (const SymbolicTensor& tensor : tensors) {
    text += tensor.shape().str() + " " + std::string(dtype_name(tensor.dtype())) + " ";
  }
  return text;
}

/// 1 where the last two of `shape` are equal, whatever stands before.
Tensor diagonal(const Shape& shape) {
  Tensor out = Tensor::zeros(shape, DType::kFloat64);
  const std::int64_t columns = shape[-1], rows = shape[-2];
  for (std::int64_t i = 0; i < out.size(); ++i) {
    if (i / columns % rows == i % columns) out.data<double>()[std::size_t(i)] = 1;
  }
  return out;
}

/// Heads that give of `sources` values, each 1 at its own place, the sum of what they attend to.
void let_values_through(const Layer& heads, std::int64_t sources) {
  for (const VariablePtr& variable : heads.variables()) {
    const bool of_value = variable->path().find("/value/") != std::string::npos,
               of_output = variable->path().find("/attention_output/") != std::string::npos;
    if (!of_value && !of_output) continue;
    const Shape& shape = variable->shape();
    if (variable->name() == "bias") {
      variable->assign(Tensor::zeros(shape, DType::kFloat64));
    } else if (of_output) {
      variable->assign(diagonal(shape));  // (heads, sources, sources)
    } else {
      Tensor kernel = Tensor::zeros(shape, DType::kFloat64);  // (sources, heads, sources)
      for (std::int64_t i = 0; i < kernel.size(); ++i) {
        if (i / (shape[1] * sources) == i % sources) kernel.data<double>()[std::size_t(i)] = 1;
      }
      variable->assign(kernel);
    }
  }
}

/// scores (batch, heads, targets, sources) -> their sum over the heads.
Tensor over_heads(const Tensor& scores) {
  const Shape& shape = scores.shape();
  Tensor out = Tensor::zeros({shape[0], shape[2], shape[3]}, DType::kFloat64);
  const std::int64_t each = shape[2] * shape[3];
  for (std::int64_t i = 0; i < scores.size(); ++i) {
    const std::int64_t batch = i / (shape[1] * each);
    out.data<double>()[std::size_t(batch * each + i % each)] +=
        scores.data<double>()[std::size_t(i)];
  }
  return out;
}

/// Of a row of scores: that there are no negative ones, and their sum.
double row_sum(const Tensor& scores, std::int64_t row) {
  const std::int64_t sources = scores.shape()[-1];
  double sum = 0;
  for (const double score :
       scores.data<double>().subspan(std::size_t(row * sources), std::size_t(sources))) {
    EXPECT_GE(score, 0);
    sum += score;
  }
  return sum;
}

constexpr std::int64_t kTargets = 3, kSources = 5;

LayerRef heads_of(const std::string& kind, double dropout = 0) {
  if (kind == "grouped") {
    return L::GroupQueryAttention(
        {.head_dim = kSources, .num_query_heads = 4, .num_key_value_heads = 2, .dropout = dropout});
  }
  return L::MultiHeadAttention(
      {.num_heads = 4, .key_dim = 2, .value_dim = kSources, .dropout = dropout});
}

}  // namespace

TEST_F(AttentionScores, HaveAShapeForWhatIsNotKnownToo) {
  const SymbolicTensor q = input({kNone, kNone, 4}), v = input({kNone, 7, 4}),
                       k = input({kNone, 7, 3});
  EXPECT_EQ(
      shapes_of(L::MultiHeadAttention({.num_heads = 2, .key_dim = 3})->apply({q, v, k}, kScores)),
      "(None, None, 4) float64 (None, 2, None, 7) float64 ");
  EXPECT_EQ(shapes_of(L::GroupQueryAttention(
                          {.head_dim = 3, .num_query_heads = 6, .num_key_value_heads = 2})
                          ->apply({q, v}, kScores)),
            "(None, None, 4) float64 (None, 6, None, 7) float64 ");
  for (const LayerRef& layer : {L::Attention(), L::AdditiveAttention()}) {
    EXPECT_EQ(shapes_of(layer->apply({q, v}, kScores)),
              "(None, None, 4) float64 (None, None, 7) float64 ");
  }
  const SymbolicTensor image = input({2, 3, 4, 6}), other = input({2, 5, 7, 6});
  EXPECT_EQ(
      shapes_of(
          L::MultiHeadAttention({.num_heads = 2, .key_dim = 3})->apply({image, other}, kScores)),
      "(2, 3, 4, 6) float64 (2, 2, 3, 4, 5, 7) float64 ");
  EXPECT_EQ(shapes_of(L::Attention({.dtype = "mixed_bfloat16"})->apply({v, v}, kScores)),
            "(None, 7, 4) bfloat16 (None, 7, 7) bfloat16 ");
}

TEST_F(AttentionScores, AreWhatWeighsTheValuesOfEachHead) {
  for (const std::string kind : {"whole", "grouped"}) {
    for (const bool causal : {false, true}) {
      SCOPED_TRACE(kind + (causal ? ", causal" : ""));
      const SymbolicTensor q = input({2, kTargets, kSources}), v = input({2, kSources, kSources});
      const LayerRef heads = heads_of(kind), without = heads_of(kind);
      const CallArguments arguments{{"use_causal_mask", causal}};
      SymbolicTensors outputs = heads->apply({q, v}, with_scores(arguments));
      outputs.push_back(without({q, v}, arguments));
      const auto model = Functional::create({q, v}, outputs);
      randomize(*model);
      let_values_through(*heads, kSources);
      for (std::size_t i = 0; i < heads->variables().size(); ++i) {
        without->variables()[i]->assign(heads->variables()[i]->value());
      }
      const std::vector<Tensor> out =
          model->predict({normal({2, kTargets, kSources}), diagonal({2, kSources, kSources})});
      expect_near(out[0], over_heads(out[1]));
      expect_near(out[0], out[2]);
      for (std::int64_t row = 0; row < 2 * 4 * kTargets; ++row) {
        EXPECT_NEAR(row_sum(out[1], row), 1, 1e-12);
        EXPECT_EQ(at(out[1], {row / 12, row / 3 % 4, row % 3, 4}) == 0, causal) << row;
      }
      EXPECT_GT(std::abs(at(out[1], {0, 0, 2, 1}) - at(out[1], {0, 1, 2, 1})), 1e-9);
    }
  }
}

TEST_F(AttentionScores, WithoutHeadsAreWhatWeighsTheValues) {
  for (const LayerRef& layer :
       {L::Attention(), L::Attention({.use_scale = true, .score_mode = "concat"}),
        L::AdditiveAttention({.dropout = 0.5})}) {
    const SymbolicTensor q = input({2, kTargets, 4}), v = input({2, kSources, kSources}),
                         k = input({2, kSources, 4}), m = input({2, kTargets}, "bool");
    const auto model =
        Functional::create({q, v, k, m}, layer->apply({q, v, k}, with_scores({{"query_mask", m}})));
    randomize(*model);
    const Tensor mask = Tensor::from<std::int32_t>({1, 0, 1, 1, 1, 0}, {2, 3}).cast(DType::kBool);
    const std::vector<Tensor> out =
        model->predict({normal({2, kTargets, 4}), diagonal({2, kSources, kSources}),
                        normal({2, kSources, 4}), mask});
    // Targets that are masked give nothing, but have scores.
    for (std::int64_t row = 0; row < 2 * kTargets; ++row) {
      EXPECT_NEAR(row_sum(out[1], row), 1, 1e-12);
      for (std::int64_t s = 0; s < kSources; ++s) {
        const std::int64_t b = row / kTargets, t = row % kTargets;
        EXPECT_NEAR(at(out[0], {b, t, s}), at(mask, {b, t}) * at(out[1], {b, t, s}), 1e-12);
      }
    }
  }
}

TEST_F(AttentionScores, OfWhatSeesNothingAreNothing) {
  for (const std::string kind : {"whole", "grouped"}) {
    const SymbolicTensor x = input({2, kSources, kSources}), m = input({2, kSources}, "int32");
    const LayerRef heads = heads_of(kind);
    const auto model =
        Functional::create({x, m}, heads->apply({x, x}, with_scores({{"value_mask", m}})));
    randomize(*model);
    Tensor mask = flags({2, kSources}).cast(DType::kInt32);
    for (std::size_t s = 0; s < kSources; ++s) mask.data<std::int32_t>()[s] = 0;
    const std::vector<Tensor> out = model->predict({normal({2, kSources, kSources}), mask});
    for (std::int64_t row = 0; row < 2 * 4 * kSources; ++row) {
      EXPECT_NEAR(row_sum(out[1], row), row < 4 * kSources ? 0 : 1, 1e-12);
      for (std::int64_t s = 0; s < kSources; ++s) {
        const double score = out[1].data<double>()[std::size_t(row * kSources + s)];
        EXPECT_TRUE(score == 0 || at(mask, {row / (4 * kSources), s}) != 0) << row;
      }
    }
    // So its output is what `attention_output` makes of nothing.
    const Tensor bias = heads->variables().back()->value();
    for (std::int64_t f = 0; f < kSources; ++f) {
      EXPECT_NEAR(at(out[0], {0, 1, f}), at(bias, {f}), 1e-12);
    }
  }
}

TEST_F(AttentionScores, CarryNoMaskWhereTheOutputDoes) {
  const SymbolicTensor ids = input({3, 5}, "int32");
  const SymbolicTensor x = L::Embedding({.input_dim = 7, .output_dim = 5, .mask_zero = true})(ids);
  SymbolicTensors outputs = L::Attention()->apply({x, x}, kScores);
  for (std::size_t i = 0; i < 2; ++i) outputs.push_back(L::GlobalAveragePooling1D()(outputs[i]));
  const auto model = Functional::create({ids}, outputs);
  randomize(*model);
  const Tensor given = sentences(3, 5);
  const std::vector<Tensor> out = model->predict(std::vector<Tensor>{given});
  for (std::size_t i = 0; i < 2; ++i) {
    for (std::int64_t b = 0; b < 3; ++b) {
      double sum = 0, count = 0;
      for (std::int64_t t = 0; t < 5; ++t) {
        if (i == 0 && at(given, {b, t}) == 0) continue;
        sum += at(out[i], {b, t, 0});
        ++count;
      }
      EXPECT_NEAR(at(out[2 + i], {b, 0}), sum / count, 1e-12) << i;
    }
  }
}

TEST_F(AttentionScores, AreASecondOutputAndReachCallsOfOnesOwn) {
  const SymbolicTensor x = input({2, 3, 4});
  const LayerRef layer = L::MultiHeadAttention({.num_heads = 2, .key_dim = 3, .name = "heads"});
  expect_words<ValueError>(
      [&] {
        (void)layer({x, x}, kScores);
      },
      "Layer 'heads' (MultiHeadAttention): has 2 outputs; use `apply` to get "
      "all of them.");

  class Watching : public Layer {
   public:
    Watching() : Layer(Base{}) {
      heads_ = track("heads", L::MultiHeadAttention({.num_heads = 2, .key_dim = 3}));
    }
    std::string class_name() const override { return "Watching"; }
    SymbolicTensors call(const SymbolicTensors& inputs) override {
      const SymbolicTensors both = heads_->apply({inputs[0], inputs[0]}, kScores);
      return {both[1], both[0]};
    }

   private:
    LayerPtr heads_;
  };
  const auto watching = std::make_shared<Watching>();
  const SymbolicTensors outputs = LayerRef(watching)->apply({x});
  EXPECT_EQ(shapes_of(outputs), "(2, 2, 3, 3) float64 (2, 3, 4) float64 ");
  SymbolicTensors all = outputs;
  for (const SymbolicTensor& output : layer->apply({x, x}, kScores)) all.push_back(output);
  const auto model = Functional::create({x}, all);
  randomize(*model);
  for (std::size_t i = 0; i < layer->variables().size(); ++i) {
    layer->variables()[i]->assign(watching->variables()[i]->value());
  }
  const std::vector<Tensor> out = model->predict(std::vector<Tensor>{normal({2, 3, 4})});
  expect_near(out[0], out[3]);
  expect_near(out[1], out[2]);
}

// MultiHeadAttention beside what keras_cases.json holds it to: masks, sublayers, and what it
// refuses.
#include <gtest/gtest.h>
#include <lamina/error.h>
#include <lamina/layers.h>
#include <lamina/model.h>

#include <cmath>
#include <random>

#include "tests/fresh_seed.h"
#include "tests/layers/execute.h"

using namespace lamina;

namespace {

using Options = layers::MultiHeadAttentionOptions;

class Attention : public ::testing::Test {
 protected:
  Tensor tensor(const Shape& shape) {
    std::normal_distribution<double> normal;
    Tensor values = Tensor::empty(shape, DType::kFloat64);
    for (double& value : values.data<double>()) value = normal(random_);
    return values;
  }
  /// With random weights.
  LayerRef built(Options options, const std::vector<Shape>& inputs) {
    options.dtype = "float64";
    const LayerRef layer = layers::MultiHeadAttention(std::move(options));
    layer->build(inputs);
    for (const VariablePtr& variable : layer->variables()) {
      variable->assign(tensor(variable->shape()));
    }
    return layer;
  }
  /// Which targets' outputs change with the sources: a row a target, a letter a source.
  std::string influence(const LayerRef& layer, std::int64_t targets, std::int64_t sources) {
    const Tensor query = tensor({1, targets, 4}), value = tensor({1, sources, 4});
    const Tensor before = lamina::testing::execute(*layer, {query, value})[0];
    std::vector<std::string> rows(static_cast<std::size_t>(targets));
    for (std::int64_t source = 0; source < sources; ++source) {
      Tensor changed = value.clone();
      for (std::size_t k = 0; k < 4; ++k) {
        changed.data<double>()[static_cast<std::size_t>(source) * 4 + k] += 1;
      }
      const Tensor after = lamina::testing::execute(*layer, {query, changed})[0];
      const std::size_t width = static_cast<std::size_t>(before.shape()[-1]);
      for (std::size_t row = 0; row < rows.size(); ++row) {
        bool same = true;
        for (std::size_t k = row * width; k < (row + 1) * width; ++k) {
          same = same && after.data<double>()[k] == before.data<double>()[k];
        }
        rows[row] += same ? '.' : 'x';
      }
    }
    std::string text;
    for (const std::string& row : rows) text += row + " ";
    return text;
  }

  const unsigned seed_ = test::fresh_seed();
  std::mt19937 random_{seed_};
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "LAMINA_TEST_SEED=" + std::to_string(seed_)};
};

std::string words_of(const std::function<void()>& make) {
  try {
    make();
    return "nothing was thrown";
  } catch (const UnsupportedError& error) {
    return std::string("unsupported: ") + error.what();
  } catch (const Error& error) {
    return error.what();
  }
}

void expect_words(const std::function<void()>& make, const std::string& words) {
  const std::string text = words_of(make);
  EXPECT_NE(text.find(words), std::string::npos) << text;
}

}  // namespace

TEST_F(Attention, ReachesAsFarAsItsMasksLetIt) {
  const std::vector<Shape> square{{1, 4, 4}, {1, 4, 4}};
  const Options plain{.num_heads = 2, .key_dim = 3};
  EXPECT_EQ(influence(built(plain, square), 4, 4), "xxxx xxxx xxxx xxxx ");
  Options causal = plain, window = plain;
  causal.use_causal_mask = true;
  EXPECT_EQ(influence(built(causal, square), 4, 4), "x... xx.. xxx. xxxx ");
  EXPECT_EQ(influence(built(causal, {{1, 2, 4}, {1, 4, 4}}), 2, 4), "x... xx.. ");
  window.sliding_window = 2;
  EXPECT_EQ(influence(built(window, square), 4, 4), "xx.. xxx. .xxx ..xx ");
  causal.sliding_window = 2;
  EXPECT_EQ(influence(built(causal, square), 4, 4), "x... xx.. .xx. ..xx ");
}

TEST_F(Attention, WeighsSourcesByTheSoftmaxOfScaledProducts) {
  const LayerRef layer =
      built({.num_heads = 1, .key_dim = 2, .use_bias = false}, {{1, 1, 2}, {1, 2, 2}});
  const auto set = [&](std::size_t i, std::vector<double> values) {
    const VariablePtr variable = layer->variables()[i];
    variable->assign(Tensor::from(std::move(values), variable->shape()));
  };
  for (std::size_t i = 0; i < 4; ++i) set(i, {1, 0, 0, 1});  // (2, 1, 2), and (1, 2, 2)
  const Tensor query = Tensor::from<double>({1, 2}, {1, 1, 2});
  const Tensor value = Tensor::from<double>({3, -1, 0.5, 1}, {1, 2, 2});
  const double first = std::exp(1 / std::sqrt(2.0)), second = std::exp(2.5 / std::sqrt(2.0));
  const Tensor y = lamina::testing::execute(*layer, {query, value})[0];
  EXPECT_NEAR(y.data<double>()[0], (3 * first + 0.5 * second) / (first + second), 1e-14);
  EXPECT_NEAR(y.data<double>()[1], (-first + second) / (first + second), 1e-14);
}

TEST_F(Attention, TakesTheValueAsTheKeyUnlessThereIsOne) {
  const LayerRef layer = built({.num_heads = 2, .key_dim = 3}, {{2, 3, 4}, {2, 5, 4}});
  const Tensor query = tensor({2, 3, 4}), value = tensor({2, 5, 4}), key = tensor({2, 5, 4});
  const Tensor y = lamina::testing::execute(*layer, {query, value})[0];
  EXPECT_TRUE(bitwise_equal(y, lamina::testing::execute(*layer, {query, value, value})[0]));
  EXPECT_FALSE(bitwise_equal(y, lamina::testing::execute(*layer, {query, value, key})[0]));
}

TEST_F(Attention, HasKerasSublayersVariablesAndPaths) {
  clear_session();
  const LayerRef layer = layers::MultiHeadAttention(
      {.num_heads = 2, .key_dim = 3, .value_dim = 4, .output_shape = {5, 6}, .use_gate = true});
  layer->build({{kNone, 7, 8}, {kNone, 9, 10}, {kNone, 9, 11}});
  std::string text;
  for (const VariablePtr& variable : layer->variables()) {
    text += variable->path() + " " + variable->shape().str() + "\n";
  }
  EXPECT_EQ(text,
            "multi_head_attention/query/kernel (8, 2, 3)\n"
            "multi_head_attention/query/bias (2, 3)\n"
            "multi_head_attention/key/kernel (11, 2, 3)\n"
            "multi_head_attention/key/bias (2, 3)\n"
            "multi_head_attention/gate/kernel (8, 2, 4)\n"
            "multi_head_attention/gate/bias (2, 4)\n"
            "multi_head_attention/value/kernel (10, 2, 4)\n"
            "multi_head_attention/value/bias (2, 4)\n"
            "multi_head_attention/attention_output/kernel (2, 4, 5, 6)\n"
            "multi_head_attention/attention_output/bias (5, 6)\n");
  std::string names;
  for (const LayerPtr& sublayer : layer->sublayers()) names += sublayer->name() + " ";
  EXPECT_EQ(names, "query key gate value softmax dropout attention_output ");
  // Names of others count on from those inside, as in Keras.
  EXPECT_EQ(layers::Dropout({.rate = 0.1})->name(), "dropout_1");
}

TEST_F(Attention, GivesSublayersItsPenaltiesAndLimits) {
  const LayerRef layer = layers::MultiHeadAttention({.num_heads = 2,
                                                     .key_dim = 3,
                                                     .kernel_regularizer = "l2",
                                                     .activity_regularizer = "l1",
                                                     .bias_constraint = "non_neg"});
  layer->build({{kNone, 7, 8}, {kNone, 7, 8}});
  int dense = 0;
  for (const LayerPtr& sublayer : layer->sublayers()) {
    if (sublayer->class_name() != "EinsumDense") continue;
    ++dense;
    EXPECT_EQ(sublayer->activity_regularizer().class_name(), "L1");
    EXPECT_EQ(sublayer->own_variables()[0]->regularizer().class_name(), "L2");
    EXPECT_FALSE(sublayer->own_variables()[1]->regularizer());
    EXPECT_EQ(sublayer->own_variables()[1]->constraint().class_name(), "NonNeg");
  }
  EXPECT_EQ(dense, 4);
  EXPECT_FALSE(layer->activity_regularizer()) << "it would count once more";
}

TEST_F(Attention, DrawsKernelsByWhatTheySumOver) {
  const LayerRef layer = layers::MultiHeadAttention(
      {.num_heads = 8, .key_dim = 32, .kernel_initializer = "lecun_normal"});
  layer->build({{kNone, 7, 64}, {kNone, 7, 64}});
  for (const VariablePtr& variable : layer->variables()) {
    if (variable->name() != "kernel") continue;
    double squares = 0;
    for (const float value : variable->value().data<float>()) squares += value * value;
    const double variance = squares / static_cast<double>(variable->shape().size());
    const double terms = variable->path().ends_with("attention_output/kernel") ? 8 * 32 : 64;
    EXPECT_NEAR(variance * terms, 1, 0.05) << variable->path();
  }
}

TEST_F(Attention, RefusesWhatItLacks) {
  const auto build = [](Options options, std::vector<Shape> inputs) {
    return [options, inputs] {
      const LayerRef layer = layers::MultiHeadAttention(options);
      SymbolicTensors tensors;
      for (const Shape& shape : inputs) {
        tensors.push_back(layers::Input({.batch_shape = shape}));
      }
      (void)layer(tensors);
    };
  };
  const Options plain{.num_heads = 2, .key_dim = 3, .name = "heads"};
  const Shape x{2, 5, 6}, image{2, 5, 6, 7};
  const auto change = [&](auto member, auto value) {
    Options options = plain;
    options.*member = value;
    return options;
  };
  expect_words(build(change(&Options::num_heads, 0), {x, x}),
               "Layer 'heads' (MultiHeadAttention): Received an invalid value for argument "
               "`num_heads`, expected a positive integer. Received: num_heads=0");
  expect_words(build(change(&Options::key_dim, -1), {x, x}), "`key_dim`");
  expect_words(build(change(&Options::value_dim, 0), {x, x}), "`value_dim`");
  expect_words(build(change(&Options::sliding_window, 0), {x, x}), "`sliding_window`");
  expect_words(build(change(&Options::dropout, 1.5), {x, x}), "argument `rate`");
  expect_words(build(plain, {x}),
               "'heads' (MultiHeadAttention): was called without the argument `value`.");
  expect_words(build(plain, {x, x, x, x}), "Received 4 inputs");
  expect_words(build(plain, {x, {3, 5, 6}}), "batches of different sizes");
  expect_words(build(plain, {x, x, {2, 4, 6}}), "All dimensions of `value` and `key`");
  expect_words(build(plain, {x, image}), "unsupported: Layer 'heads' (MultiHeadAttention): ");
  expect_words(build(plain, {{2, 5}, {2, 5}}), "unsupported: Layer 'heads'");
  expect_words(build(change(&Options::attention_axes, layers::Axes{2}), {image, image}),
               "unsupported: Layer 'heads' (MultiHeadAttention): `attention_axes`");
  expect_words(build(change(&Options::use_causal_mask, true), {image, image}),
               "unsupported: Layer 'heads' (MultiHeadAttention): `use_causal_mask`");
  for (const layers::Axes& axes : {layers::Axes{1}, layers::Axes{-2}}) {
    EXPECT_EQ(words_of(build(change(&Options::attention_axes, axes), {x, x})),
              "nothing was thrown");
  }
}

TEST_F(Attention, RefusesAWindowThatLeavesATargetNothing) {
  const auto predict = [&](std::int64_t targets) {
    return [&, targets] {
      const LayerRef layer =
          built({.num_heads = 1, .key_dim = 2, .sliding_window = 2, .name = "near"},
                {{1, targets, 4}, {1, 3, 4}});
      (void)lamina::testing::execute(*layer, {tensor({1, targets, 4}), tensor({1, 3, 4})});
    };
  };
  EXPECT_EQ(words_of(predict(4)), "nothing was thrown");
  expect_words(predict(5), "unsupported: Layer 'near' (MultiHeadAttention): `sliding_window`");
}

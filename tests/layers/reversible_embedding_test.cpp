// ReversibleEmbedding: forward and in reverse, tied and not, its masks and gradients.
#include <cmath>

#include "tests/layers/expect_words.h"
#include "tests/layers/operations/elements.h"

namespace lamina {
namespace {

using test::at;
using test::expect_elements;
using test::Place;

class ReversibleEmbedding : public test::OperationTest {
 protected:
  static constexpr std::int64_t kWords = 7, kSize = 4;

  /// Both calls of one layer: of ids, and in reverse of what an input has.
  ModelPtr model(layers::ReversibleEmbeddingOptions options) {
    options.input_dim = kWords;
    options.output_dim = kSize;
    layer_ = layers::ReversibleEmbedding(std::move(options));
    const auto ids = layers::Input({.shape = {3}, .dtype = "int32"});
    const auto x = layers::Input({.shape = {2, kSize}});
    return Functional::create(SymbolicTensors{ids, x},
                              SymbolicTensors{(*layer_)(ids), (*layer_)(x, {{"reverse", true}})});
  }
  LayerPtr layer_;
};

TEST_F(ReversibleEmbedding, LooksUpAndProjectsBackByOneMatrix) {
  const auto model = this->model({});
  ASSERT_EQ(layer_->variables().size(), 1U);
  EXPECT_EQ(layer_->variables()[0]->path(), layer_->name() + "/embeddings");
  const Tensor table = numbers({kWords, kSize}), x = numbers({2, 2, kSize});
  layer_->set_weights({table});
  const Tensor ids = integers({2, 3}, 0, kWords - 1);
  const auto y = model->predict_on_batch(
      std::vector<Tensor>{ids.cast(DType::kInt32), x.cast(DType::kFloat32)});
  expect_elements(y.at(0), {2, 3, kSize}, [&](const Place& place) {
    return at(table, {static_cast<std::int64_t>(at(ids, {place[0], place[1]})), place[2]});
  });
  expect_elements(y.at(1), {2, 2, kWords}, [&](const Place& place) {
    double sum = 0;
    for (std::int64_t i = 0; i < kSize; ++i) {
      sum += at(x, {place[0], place[1], i}) * at(table, {place[2], i});
    }
    return sum;
  });
}

TEST_F(ReversibleEmbedding, UntiedItHasAMatrixOfItsOwnAndACapBoundsIt) {
  const double cap = 1.5;
  const auto model = this->model({.tie_weights = false, .logit_soft_cap = cap});
  ASSERT_EQ(layer_->variables().size(), 2U);
  EXPECT_EQ(layer_->variables()[1]->path(), layer_->name() + "/reverse_embeddings");
  EXPECT_EQ(layer_->variables()[1]->shape(), (Shape{kSize, kWords}));
  const Tensor back = numbers({kSize, kWords}), x = numbers({2, 2, kSize});
  layer_->set_weights({numbers({kWords, kSize}), back});
  const auto y = model->predict_on_batch(std::vector<Tensor>{
      integers({2, 3}, 0, kWords - 1).cast(DType::kInt32), x.cast(DType::kFloat32)});
  expect_elements(y.at(1), {2, 2, kWords}, [&](const Place& place) {
    double sum = 0;
    for (std::int64_t i = 0; i < kSize; ++i) {
      sum += at(x, {place[0], place[1], i}) * at(back, {i, place[2]});
    }
    return cap * std::tanh(sum / cap);
  });
}

TEST_F(ReversibleEmbedding, ReverseHasTheDtypeOfItsProduct) {
  const auto dtype = [this](const std::string& policy, const std::string& reverse_dtype) {
    return dtype_name(
        model({.reverse_dtype = reverse_dtype, .dtype = policy})->outputs().at(1).dtype());
  };
  EXPECT_EQ(dtype("float32", ""), "float32");
  EXPECT_EQ(dtype("mixed_float16", ""), "float32");
  EXPECT_EQ(dtype("mixed_float16", "bfloat16"), "bfloat16");
  EXPECT_EQ(dtype("float32", "float64"), "float64");
}

TEST_F(ReversibleEmbedding, MasksComeOfIdsAloneAndEndInReverse) {
  const auto ids = layers::Input({.shape = {3}, .dtype = "int32"});
  const LayerRef layer =
      layers::ReversibleEmbedding({.input_dim = kWords, .output_dim = kSize, .mask_zero = true});
  const auto h = layer(ids);
  const auto mean = layers::GlobalAveragePooling1D()(h);
  const auto of_all = layers::GlobalAveragePooling1D()(layer(h, {{"reverse", true}}));
  const auto model = Functional::create(SymbolicTensors{ids}, SymbolicTensors{mean, of_all});
  const Tensor table = numbers({kWords, kSize});
  layer->set_weights({table});
  const Tensor rows = Tensor::from<double>({3, 0, 5, 2, 0, 0}, {2, 3});
  const auto y = model->predict_on_batch(std::vector<Tensor>{rows.cast(DType::kInt32)});
  const auto id = [&](std::int64_t n, std::int64_t i) {
    return static_cast<std::int64_t>(at(rows, {n, i}));
  };
  expect_elements(y.at(0), {2, kSize}, [&](const Place& p) {
    double sum = 0, count = 0;
    for (std::int64_t i = 0; i < 3; ++i) {
      if (id(p[0], i) == 0) continue;
      sum += at(table, {id(p[0], i), p[1]});
      ++count;
    }
    return sum / count;
  });
  expect_elements(y.at(1), {2, kWords}, [&](const Place& p) {
    double sum = 0;
    for (std::int64_t i = 0; i < 3; ++i) {
      for (std::int64_t k = 0; k < kSize; ++k) {
        sum += at(table, {id(p[0], i), k}) * at(table, {p[1], k});
      }
    }
    return sum / 3;
  });
}

TEST_F(ReversibleEmbedding, BothCallsTrainTheirCommonMatrix) {
  const auto ids = layers::Input({.shape = {3}, .dtype = "int32"});
  const LayerRef layer = layers::ReversibleEmbedding({.input_dim = kWords, .output_dim = kSize});
  const auto y = layer(layer(ids), {{"reverse", true}});
  const auto model = Functional::create(ids, y);
  const Tensor table = numbers({kWords, kSize}, -1, 1);
  layer->set_weights({table});
  GradientTape tape(*model);
  const Tensor rows = Tensor::from<double>({3, 1, 5}, {1, 3});
  (void)tape.forward({rows.cast(DType::kInt32)});
  const Tensor seed = numbers({1, 3, kWords});
  const Tensor gradient = tape.gradients({seed.cast(DType::kFloat32)}).at(0);
  // The sum over i, w of seed[i, w] E[id_i] E[w]: either factor has its part.
  expect_elements(
      gradient, {kWords, kSize},
      [&](const Place& p) {
        double sum = 0;
        for (std::int64_t i = 0; i < 3; ++i) {
          const auto id = static_cast<std::int64_t>(at(rows, {0, i}));
          sum += at(seed, {0, i, p[0]}) * at(table, {id, p[1]});
          if (id != p[0]) continue;
          for (std::int64_t w = 0; w < kWords; ++w) {
            sum += at(seed, {0, i, w}) * at(table, {w, p[1]});
          }
        }
        return sum;
      },
      1e-4);
}

TEST_F(ReversibleEmbedding, WhatDoesNotSuitItIsRefused) {
  test::expect_words([] { (void)layers::ReversibleEmbedding({.input_dim = 3}); },
                     "`output_dim` must be a positive integer. Received: output_dim=0");
  test::expect_words(
      [] {
        (void)layers::ReversibleEmbedding(
            {.input_dim = 3, .output_dim = 2, .reverse_dtype = "int32"});
      },
      "`reverse_dtype` must be a floating dtype");
  const LayerRef layer = layers::ReversibleEmbedding({.input_dim = 3, .output_dim = 2});
  const auto x = layers::Input({.shape = {5}});
  test::expect_words(
      [&] {
        (void)layer(x, {{"reverse", true}});
      },
      "the last axis of its input has `output_dim` elements");
}

}  // namespace
}  // namespace lamina

// Masks of attention: given to its call by name, and carried by what it is called on.
#include <lamina/error.h>

#include <cmath>
#include <functional>
#include <stdexcept>
#include <vector>

#include "tests/layers/mask_scene.h"

using namespace lamina;
using namespace lamina::test;

namespace {

using AttentionMasks = MaskScene;

/// x (batch, steps, features) times kernel (features, heads, size) and a bias (heads, size).
double projected(const Tensor& x, const Layer& dense, std::int64_t b, std::int64_t t,
                 std::int64_t h, std::int64_t d) {
  const Tensor kernel = dense.own_variables()[0]->value(), bias = dense.own_variables()[1]->value();
  double sum = at(bias, {h, d});
  for (std::int64_t f = 0; f < x.shape()[2]; ++f) sum += at(x, {b, t, f}) * at(kernel, {f, h, d});
  return sum;
}

using Seen = std::function<bool(std::int64_t batch, std::int64_t head, std::int64_t target,
                                std::int64_t source)>;

LayerPtr sublayer(const Layer& layer, const std::string& name) {
  for (const LayerPtr& inner : layer.sublayers()) {
    if (inner->name() == name) return inner;
  }
  throw std::runtime_error("no sublayer " + name);
}

/// Attention of `heads` heads of size `size`, of what is seen alone; of what sees nothing, of all.
Tensor attention_of(const Layer& layer, const Tensor& query, const Tensor& value,
                    std::int64_t heads, std::int64_t size, const Seen& seen) {
  const std::int64_t batch = query.shape()[0], targets = query.shape()[1],
                     sources = value.shape()[1], features = query.shape()[2];
  const LayerPtr q = sublayer(layer, "query"), k = sublayer(layer, "key"),
                 v = sublayer(layer, "value"), o = sublayer(layer, "attention_output");
  const Tensor kernel = o->own_variables()[0]->value(), bias = o->own_variables()[1]->value();
  Tensor out = Tensor::zeros(query.shape(), DType::kFloat64);
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t t = 0; t < targets; ++t) {
      double* row = out.data<double>().data() + (b * targets + t) * features;
      for (std::int64_t f = 0; f < features; ++f) row[f] = at(bias, {f});
      for (std::int64_t h = 0; h < heads; ++h) {
        bool any = false;
        for (std::int64_t s = 0; s < sources; ++s) any = any || seen(b, h, t, s);
        std::vector<double> weights(static_cast<std::size_t>(sources), 0);
        double total = 0;
        for (std::int64_t s = 0; s < sources; ++s) {
          double score = 0;
          for (std::int64_t d = 0; d < size; ++d) {
            score += projected(query, *q, b, t, h, d) * projected(value, *k, b, s, h, d);
          }
          const double weight =
              !any ? 1 : (seen(b, h, t, s) ? std::exp(score / std::sqrt(double(size))) : 0);
          total += weights[std::size_t(s)] = weight;
        }
        for (std::int64_t d = 0; d < size; ++d) {
          double given = 0;
          for (std::int64_t s = 0; s < sources; ++s) {
            given += weights[std::size_t(s)] / total * projected(value, *v, b, s, h, d);
          }
          for (std::int64_t f = 0; f < features; ++f) row[f] += given * at(kernel, {h, d, f});
        }
      }
    }
  }
  return out;
}

}  // namespace

TEST_F(AttentionMasks, OneIsTakenByName) {
  const SymbolicTensor x = input({2, 3, 4}), y = input({2, 5, 4});
  const Tensor query = normal({2, 3, 4}), value = normal({2, 5, 4});
  for (const Shape& shape :
       {Shape{2, 3, 5}, Shape{2, 1, 3, 5}, Shape{2, 2, 3, 5}, Shape{2, 1, 5}}) {
    for (const char* dtype : {"bool", "int32", "float64"}) {
      SCOPED_TRACE(shape.str() + " " + dtype);
      const SymbolicTensor m = input(shape, dtype);
      const LayerRef layer = L::MultiHeadAttention({.num_heads = 2, .key_dim = 3});
      const auto model = Functional::create({x, y, m}, {layer({x, y}, {{"attention_mask", m}})});
      randomize(*model);
      const Tensor mask = flags(shape);
      const std::size_t rank = shape.rank();
      const Seen seen = [&](std::int64_t b, std::int64_t h, std::int64_t t, std::int64_t s) {
        const auto within = [&](std::int64_t index, std::size_t from_end) {
          return shape.dims()[rank - from_end] == 1 ? 0 : index;
        };
        if (rank == 3) return at(mask, {within(b, 3), within(t, 2), within(s, 1)}) != 0;
        return at(mask, {within(b, 4), within(h, 3), within(t, 2), within(s, 1)}) != 0;
      };
      const Tensor given = mask.cast(dtype_from_name(dtype));
      expect_near(model->predict({query, value, given})[0],
                  attention_of(*layer, query, value, 2, 3, seen));
    }
  }
}

TEST_F(AttentionMasks, HoldTogetherAndNothingSeenIsEverythingSeen) {
  const SymbolicTensor x = input({2, 4, 3}), m = input({2, 4, 4}, "int32"),
                       v = input({2, 4}, "bool");
  const LayerRef layer = L::MultiHeadAttention({.num_heads = 1, .key_dim = 2, .sliding_window = 3});
  const auto model = Functional::create(
      {x, m, v},
      {layer(
          {x, x},
          {{"attention_mask", m}, {"key_mask", v}, {"value_mask", v}, {"use_causal_mask", true}})});
  randomize(*model);
  const Tensor query = normal({2, 4, 3}), of_values = flags({2, 4});
  Tensor mask = flags({2, 4, 4}).cast(DType::kInt32);
  for (std::size_t s = 0; s < 4; ++s) mask.data<std::int32_t>()[4 + s] = 0;
  const Seen seen = [&](std::int64_t b, std::int64_t, std::int64_t t, std::int64_t s) {
    return s <= t && t - s < 3 && at(mask, {b, t, s}) != 0 && at(of_values, {b, s}) != 0;
  };
  expect_near(model->predict({query, mask, of_values})[0],
              attention_of(*layer, query, query, 1, 2, seen));
}

TEST_F(AttentionMasks, WithDropoutWhatSeesNothingGetsNothing) {
  const SymbolicTensor x = input({1, 2, 3}), m = input({1, 2, 2}, "bool");
  const LayerRef layer = L::MultiHeadAttention({.num_heads = 1, .key_dim = 2, .dropout = 0.5});
  const auto model = Functional::create({x, m}, {layer({x, x}, {{"attention_mask", m}})});
  randomize(*model);
  const Tensor mask = Tensor::from<std::int32_t>({0, 0, 1, 1}, {1, 2, 2}).cast(DType::kBool);
  const Tensor y = model->predict({normal({1, 2, 3}), mask})[0];
  const Tensor bias = sublayer(*layer, "attention_output")->own_variables()[1]->value();
  for (std::int64_t f = 0; f < 3; ++f) {
    EXPECT_NEAR(at(y, {0, 0, f}), at(bias, {f}), 1e-12);
    EXPECT_GT(std::abs(at(y, {0, 1, f}) - at(bias, {f})), 1e-9);
  }
}

TEST_F(AttentionMasks, WhatACallIsNotMadeForIsRefused) {
  const SymbolicTensor x = input({2, 3, 4});
  const LayerRef heads = L::MultiHeadAttention({.num_heads = 1, .key_dim = 2, .name = "heads"});
  const auto message = [](const std::function<void()>& call) {
    try {
      call();
    } catch (const ValueError& error) {
      return std::string(error.what());
    }
    return std::string("nothing was thrown");
  };
  const std::string layer = "Layer 'heads' (MultiHeadAttention): ";
  EXPECT_EQ(message([&] {
              (void)heads({x, x}, {{"mask", x}});
            }),
            layer + "got an unexpected keyword argument 'mask'.");
  EXPECT_EQ(message([&] {
              (void)heads({x, x}, {{"causal", true}});
            }),
            layer + "got an unexpected keyword argument 'causal'.");
  EXPECT_EQ(message([&] {
              (void)heads({x, x}, {{"value", x}});
            }),
            layer + "got multiple values for argument 'value'.");
  EXPECT_EQ(message([&] {
              (void)heads({x}, {{"key", x}});
            }),
            layer + "was called without the argument `value`.");
  const SymbolicTensor m = input({2, 3, 9}, "bool");
  const auto model = Functional::create({x, m}, {heads({x, x}, {{"attention_mask", m}})});
  EXPECT_NE(message([&] {
              (void)model->predict({normal({2, 3, 4}), flags({2, 3, 9})});
            }).find(layer + "A mask of the shape"),
            std::string::npos);
}

TEST_F(AttentionMasks, OfWordsReachAttentionAndLeaveItsInputs) {
  const SymbolicTensor ids = input({3, 5}, "int32");
  const SymbolicTensor x = L::Embedding({.input_dim = 7, .output_dim = 3, .mask_zero = true})(ids);
  const LayerRef first = L::MultiHeadAttention({.num_heads = 1, .key_dim = 2}),
                 second = L::MultiHeadAttention({.num_heads = 1, .key_dim = 2});
  const SymbolicTensor y = first({x, x});
  const SymbolicTensor sum = L::Add()({x, y});  // x has lost its mask by now, so the sum has none
  const auto model = Functional::create({ids}, {x, y, sum, second({sum, sum})});
  randomize(*model);
  const Tensor given = sentences(3, 5);
  const std::vector<Tensor> out = model->predict(std::vector<Tensor>{given});
  const Seen words = [&](std::int64_t b, std::int64_t, std::int64_t t, std::int64_t s) {
    return at(given, {b, t}) != 0 && at(given, {b, s}) != 0;
  };
  expect_near(out[1], attention_of(*first, out[0], out[0], 1, 2, words));
  const Seen all = [](auto...) { return true; };
  expect_near(out[3], attention_of(*second, out[2], out[2], 1, 2, all));
}

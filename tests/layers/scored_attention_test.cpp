// Attention and AdditiveAttention: scores, masks, and what they refuse.
#include <lamina/error.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/layers/expect_words.h"
#include "tests/layers/mask_scene.h"

using namespace lamina;
using namespace lamina::test;

namespace {

using ScoredAttention = MaskScene;
using Score = std::function<double(std::int64_t batch, std::int64_t target, std::int64_t source)>;
using Seen = std::function<bool(std::int64_t batch, std::int64_t target, std::int64_t source)>;

/// What the scores make of the values; where nothing is seen all is, and of a query that `kept`
/// leaves out nothing.
Tensor attention_of(const Tensor& value, std::int64_t targets, const Score& score, const Seen& seen,
                    const std::function<bool(std::int64_t, std::int64_t)>& kept) {
  const std::int64_t batch = value.shape()[0], sources = value.shape()[1], width = value.shape()[2];
  Tensor out = Tensor::zeros({batch, targets, width}, DType::kFloat64);
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t t = 0; t < targets; ++t) {
      if (!kept(b, t)) continue;
      bool any = false;
      for (std::int64_t s = 0; s < sources; ++s) any = any || seen(b, t, s);
      double total = 0;
      std::vector<double> weights;
      for (std::int64_t s = 0; s < sources; ++s) {
        weights.push_back(!any || seen(b, t, s) ? std::exp(score(b, t, s)) : 0);
        total += weights.back();
      }
      for (std::int64_t s = 0; s < sources; ++s) {
        for (std::int64_t f = 0; f < width; ++f) {
          out.data<double>()[std::size_t((b * targets + t) * width + f)] +=
              weights[std::size_t(s)] / total * at(value, {b, s, f});
        }
      }
    }
  }
  return out;
}

/// The scores of each kind, by its formula.
Score score_of(const Layer& layer, const std::string& kind, const Tensor& query,
               const Tensor& key) {
  std::vector<Tensor> weights;
  for (const VariablePtr& variable : layer.own_variables()) weights.push_back(variable->value());
  const auto number = [](const Tensor& tensor) { return tensor.data<double>()[0]; };
  return [=](std::int64_t b, std::int64_t t, std::int64_t s) {
    double sum = 0;
    for (std::int64_t f = 0; f < query.shape()[2]; ++f) {
      const double q = at(query, {b, t, f}), k = at(key, {b, s, f});
      if (kind == "dot" || kind == "scaled dot") sum += q * k;
      if (kind == "concat") sum += std::tanh(q + k);
      if (kind == "scaled concat") sum += std::tanh(number(weights[0]) * (q + k));
      if (kind == "additive") sum += at(weights[0], {f}) * std::tanh(q + k);
      if (kind == "plain additive") sum += std::tanh(q + k);
    }
    if (kind == "scaled dot") sum *= number(weights[0]);
    if (kind == "concat") sum *= number(weights[0]);
    if (kind == "scaled concat") sum *= number(weights[1]);
    return sum;
  };
}

LayerRef layer_of(const std::string& kind) {
  if (kind == "additive") return L::AdditiveAttention();
  if (kind == "plain additive") return L::AdditiveAttention({.use_scale = false});
  return L::Attention({.use_scale = kind.starts_with("scaled"),
                       .score_mode = kind.ends_with("dot") ? "dot" : "concat"});
}

const char* const kKinds[] = {"dot",           "scaled dot", "concat",
                              "scaled concat", "additive",   "plain additive"};

const auto kAll = [](auto...) { return true; };

}  // namespace

TEST_F(ScoredAttention, FollowsItsFormulas) {
  for (const std::string kind : kKinds) {
    for (const bool causal : {false, true}) {
      SCOPED_TRACE(kind + (causal ? ", causal" : ""));
      const SymbolicTensor q = input({2, 3, 4}), v = input({2, 5, 6}), k = input({2, 5, 4});
      const LayerRef layer = layer_of(kind);
      const auto model =
          Functional::create({q, v, k}, {layer({q, v, k}, {{"use_causal_mask", causal}})});
      randomize(*model);
      const Tensor query = normal({2, 3, 4}), value = normal({2, 5, 6}), key = normal({2, 5, 4});
      const Seen seen = [&](std::int64_t, std::int64_t t, std::int64_t s) {
        return !causal || s <= t;
      };
      expect_near(model->predict({query, value, key})[0],
                  attention_of(value, 3, score_of(*layer, kind, query, key), seen, kAll));
    }
  }
}

TEST_F(ScoredAttention, HasKerasVariables) {
  clear_session();
  const auto paths = [](const LayerRef& layer) {
    layer->build({{kNone, 3, 4}, {kNone, 5, 4}});
    std::string text;
    for (const VariablePtr& variable : layer->own_variables()) {
      text += variable->path() + " " + std::to_string(variable->shape().size()) + " ";
    }
    return text;
  };
  EXPECT_EQ(paths(L::Attention()), "");
  EXPECT_EQ(paths(L::Attention({.use_scale = true, .score_mode = "concat"})),
            "attention_1/scale 1 attention_1/concat_score_weight 1 ");
  EXPECT_EQ(paths(L::AdditiveAttention()), "additive_attention/scale 4 ");
}

TEST_F(ScoredAttention, MasksByNameLeaveOutSourcesAndTargets) {
  for (const std::string kind : kKinds) {
    for (const char* dtype : {"bool", "int32", "float64"}) {
      SCOPED_TRACE(kind + " " + dtype);
      const SymbolicTensor q = input({2, 3, 4}), v = input({2, 5, 4}), of_q = input({2, 3}, dtype),
                           of_v = input({2, 5}, dtype);
      const LayerRef layer = layer_of(kind);
      const auto model = Functional::create(
          {q, v, of_q, of_v}, {layer({q, v}, {{"query_mask", of_q}, {"value_mask", of_v}})});
      randomize(*model);
      const Tensor query = normal({2, 3, 4}), value = normal({2, 5, 4}), targets = flags({2, 3}),
                   sources = flags({2, 5});
      const DType type = dtype_from_name(dtype);
      const Tensor found =
          model->predict({query, value, targets.cast(type), sources.cast(type)})[0];
      expect_near(found, attention_of(
                             value, 3, score_of(*layer, kind, query, value),
                             [&](std::int64_t b, std::int64_t, std::int64_t s) {
                               return at(sources, {b, s}) != 0;
                             },
                             [&](std::int64_t b, std::int64_t t) {
                               return at(targets, {b, t}) != 0;
                             }));
    }
  }
}

TEST_F(ScoredAttention, WhatIsMaskedAltogetherIsAsIfNothingWere) {
  const SymbolicTensor q = input({1, 2, 3}), m = input({1, 2}, "bool");
  const LayerRef layer = L::Attention();
  const auto model = Functional::create({q, m}, {layer({q, q}, {{"value_mask", m}})});
  const Tensor query = normal({1, 2, 3});
  const Tensor found = model->predict({query, Tensor::zeros({1, 2}, DType::kBool)})[0];
  // 1e9 was taken from all scores: so many digits are left of them.
  expect_near(found, attention_of(query, 2, score_of(*layer, "dot", query, query), kAll, kAll),
              1e-5);
}

TEST_F(ScoredAttention, HeedsTheMasksOfItsInputsAndHandsOnTheQuerys) {
  const SymbolicTensor ids = input({3, 5}, "int32"), others = input({3, 4}, "int32");
  const LayerRef words = L::Embedding({.input_dim = 7, .output_dim = 4, .mask_zero = true});
  const SymbolicTensor q = words(ids), v = words(others);
  const LayerRef layer = L::AdditiveAttention(), same = L::Attention();
  const SymbolicTensor y = layer({q, v}), m = input({3, 5}, "bool");
  // A mask that the call is given takes the places of both.
  const SymbolicTensor z = same({q, v}, {{"query_mask", m}});
  const auto model = Functional::create({ids, others, m}, {q, v, y, L::GlobalAveragePooling1D()(y),
                                                           z, L::GlobalAveragePooling1D()(z)});
  randomize(*model);
  const Tensor targets = sentences(3, 5), sources = sentences(3, 4), mask = flags({3, 5});
  const std::vector<Tensor> out = model->predict({targets, sources, mask});
  expect_near(out[2], attention_of(
                          out[1], 5, score_of(*layer, "additive", out[0], out[1]),
                          [&](std::int64_t b, std::int64_t, std::int64_t s) {
                            return at(sources, {b, s}) != 0;
                          },
                          [&](std::int64_t b, std::int64_t t) {
                            return at(targets, {b, t}) != 0;
                          }));
  expect_near(out[4], attention_of(out[1], 5, score_of(*same, "dot", out[0], out[1]), kAll,
                                   [&](std::int64_t b, std::int64_t t) {
                                     return at(mask, {b, t}) != 0;
                                   }));
  const auto expect_mean = [&](const Tensor& all, const Tensor& mean, const Tensor& seen) {
    for (std::int64_t b = 0; b < 3; ++b) {
      double sum = 0, count = 0;
      for (std::int64_t t = 0; t < 5; ++t) {
        if (at(seen, {b, t}) == 0) continue;
        sum += at(all, {b, t, 2});
        ++count;
      }
      EXPECT_NEAR(at(mean, {b, 2}), sum / count, 1e-12);
    }
  };
  expect_mean(out[2], out[3], targets);
  expect_mean(out[4], out[5], mask);
}

TEST_F(ScoredAttention, MasksAreOneListInConfigurations) {
  const SymbolicTensor q = input({2, 3, 4}), v = input({2, 5, 4}), m = input({2, 5}, "bool");
  const auto model = Functional::create({q, v, m}, {L::Attention()({q, v}, {{"value_mask", m}})});
  const nlohmann::json config = nlohmann::json::parse(model->to_json());
  const auto& node = config["config"]["layers"].back()["inbound_nodes"][0];
  ASSERT_EQ(node["kwargs"].size(), 1u) << node;
  ASSERT_EQ(node["kwargs"]["mask"].size(), 2u) << node;
  EXPECT_TRUE(node["kwargs"]["mask"][0].is_null());
  EXPECT_EQ(node["kwargs"]["mask"][1]["class_name"], "__keras_tensor__");
  const auto again = Model::from_json_text(model->to_json());
  EXPECT_EQ(again->to_json(), model->to_json());
  const std::vector<Tensor> given{normal({2, 3, 4}), normal({2, 5, 4}), flags({2, 5})};
  EXPECT_TRUE(bitwise_equal(again->predict(given)[0], model->predict(given)[0]));
}

TEST_F(ScoredAttention, RefusesWhatItLacks) {
  const SymbolicTensor x = input({2, 3, 4});
  const LayerRef layer = L::Attention({.name = "a"});
  const std::string name = "Layer 'a' (Attention): ";
  expect_words([&] { (void)layer({x}); },
               name +
                   "Attention layer accepts inputs list of length 2 or 3, namely [query, value] "
                   "or [query, value, key]. Received length: 1.");
  expect_words([&] { (void)layer({x, x, x, x}); }, "Received length: 4.");
  expect_words(
      [&] {
        (void)layer({x, input({2, 3, 5})});
      },
      name + "The numbers of features of query and key differ.");
  expect_words(
      [&] {
        (void)layer({x, x, input({2, 4, 4})});
      },
      name + "The sizes of the second axes of value and key differ.");
  expect_words([&] { (void)layer({x, input({3, 3, 4})}); }, "The batch sizes");
  expect_words([&] { (void)layer({input({2, 4}), input({2, 4})}); }, name + "Inputs of other than");
  expect_words(
      [&] {
        (void)layer({x, x}, {{"return_scores", true}});
      },
      "unexpected keyword argument");
  expect_words([] { (void)L::Attention({.score_mode = "product", .name = "a"}); },
               name +
                   "Invalid value for argument score_mode. Expected one of {'dot', 'concat'}. "
                   "Received: score_mode=product");
  expect_words([] { (void)L::AdditiveAttention({.dropout = 1.5}); }, "argument `dropout`");
  const SymbolicTensor m = input({2, 9}, "bool");
  const auto model = Functional::create({x, m}, {layer({x, x}, {{"value_mask", m}})});
  expect_words(
      [&] {
        (void)model->predict({normal({2, 3, 4}), flags({2, 9})});
      },
      name + "A mask is of the shape (2, 3)");
}

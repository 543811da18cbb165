// Sums of products over axes of the caller's choice, and attention, with random options.
#include "tests/training/graph/gradient_rows.h"

namespace lamina::training::testkit {
namespace {

/// Equations for each way that a kernel may lie and be multiplied.
Case einsum_dense(Random& random) {
  struct Equation {
    const char* text;
    Shape output;
    const char* bias;
    Shape input;
  };
  const Equation chosen = one_of<Equation>(random, {{"abc,cd->abd", {3, 5}, "d", {2, 3, 4}},
                                                    {"abc,cde->abde", {3, 2, 5}, "de", {2, 3, 4}},
                                                    {"abcd,cde->abe", {3, 5}, "e", {2, 3, 2, 4}},
                                                    {"abc,dc->abd", {3, 5}, "", {2, 3, 4}},
                                                    {"abc,bcd->abd", {3, 5}, "bd", {2, 3, 4}},
                                                    {"abcd,cbe->aed", {5, 4}, "d", {2, 3, 2, 4}},
                                                    {"...a,ab->...b", {5}, "b", {2, 3, 2, 4}},
                                                    {"abc,bd->ad", {5}, "d", {2, 3, 4}}});
  return {layers::EinsumDense({.equation = chosen.text,
                               .output_shape = chosen.output,
                               .activation = activation(random),
                               .bias_axes = chosen.bias}),
          {chosen.input}};
}

Case attention(Random& random) {
  const std::int64_t batch = pick(random, 1, 3);
  const bool windowed = coin(random);
  layers::MultiHeadAttentionOptions options{.num_heads = pick(random, 1, 3),
                                            .key_dim = pick(random, 1, 4),
                                            .dropout = coin(random) ? 0.3 : 0.0,
                                            .use_bias = coin(random),
                                            .use_gate = coin(random),
                                            .use_causal_mask = coin(random)};
  if (coin(random)) options.value_dim = pick(random, 1, 4);
  if (coin(random)) options.output_shape = {2, 3};
  if (windowed) options.sliding_window = pick(random, 2, 3);
  const std::int64_t targets = pick(random, 2, 5), sources = windowed ? 4 : pick(random, 2, 5);
  std::vector<Shape> inputs{{batch, targets, 4}, {batch, sources, 3}};
  if (coin(random)) inputs.push_back({batch, sources, 5});
  return {layers::MultiHeadAttention(options), inputs};
}

Case group_query_attention(Random& random) {
  const std::int64_t batch = pick(random, 1, 3), groups = pick(random, 1, 3);
  const bool windowed = coin(random);
  layers::GroupQueryAttentionOptions options{.head_dim = pick(random, 1, 4),
                                             .num_query_heads = groups * pick(random, 1, 3),
                                             .num_key_value_heads = groups,
                                             .dropout = coin(random) ? 0.3 : 0.0,
                                             .use_bias = coin(random),
                                             .use_gate = coin(random)};
  if (windowed) options.sliding_window = pick(random, 2, 3);
  const std::int64_t targets = pick(random, 2, 5), sources = windowed ? 4 : pick(random, 2, 5);
  std::vector<Shape> inputs{{batch, targets, 4}, {batch, sources, 4}};
  if (coin(random)) inputs.push_back({batch, sources, 3});
  return {layers::GroupQueryAttention(options), inputs};
}

/// Query, value, and perhaps a key.
std::vector<Shape> attended(Random& random) {
  const std::int64_t batch = pick(random, 1, 3), sources = pick(random, 2, 5);
  std::vector<Shape> inputs{{batch, pick(random, 2, 5), 4}, {batch, sources, 4}};
  if (coin(random)) inputs.insert(inputs.begin() + 1, Shape{batch, sources, 3});
  return inputs;
}

Case plain_attention(Random& random) {
  return {layers::Attention({.use_scale = coin(random),
                             .score_mode = one_of<std::string>(random, {"dot", "concat"}),
                             .dropout = coin(random) ? 0.3 : 0.0}),
          attended(random)};
}

Case additive_attention(Random& random) {
  return {
      layers::AdditiveAttention({.use_scale = coin(random), .dropout = coin(random) ? 0.3 : 0.0}),
      attended(random)};
}

Case dot(Random& random) {
  struct Inputs {
    layers::Axes axes;
    Shape first, second;
  };
  const Inputs chosen = one_of<Inputs>(random, {{{1}, {3, 4}, {3, 4}},
                                                {{2, 2}, {2, 3, 4}, {2, 5, 4}},
                                                {{1, 1}, {2, 4, 3}, {2, 4, 5}},
                                                {{2, 1}, {2, 3, 4}, {2, 4}},
                                                {{-1}, {2, 5}, {2, 3, 4, 5}},
                                                {{2, 2}, {2, 3, 4, 5}, {2, 5, 4, 3}}});
  return {layers::Dot({.axes = chosen.axes, .normalize = coin(random)}),
          {chosen.first, chosen.second}};
}

}  // namespace

std::vector<Row> rows_of_attention() {
  return {
      {"EinsumDense", einsum_dense},
      {"MultiHeadAttention", attention},
      {"GroupQueryAttention", group_query_attention},
      {"Attention", plain_attention},
      {"AdditiveAttention", additive_attention},
      {"Dot", dot},
  };
}

}  // namespace lamina::training::testkit

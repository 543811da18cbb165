// GroupQueryAttention: as MultiHeadAttention whose heads have equal keys and values.
#include <lamina/error.h>

#include "layers/config/registry.h"
#include "tests/layers/expect_words.h"
#include "tests/layers/mask_scene.h"

using namespace lamina;
using namespace lamina::test;

namespace {

using Options = layers::GroupQueryAttentionOptions;

constexpr std::int64_t kHeads = 6, kGroups = 2, kSize = 3;

class GroupedHeads : public MaskScene {
 protected:
  /// (..., groups, size) -> (..., heads, size): each so often as it has heads.
  static Tensor repeated(const Tensor& value) {
    const std::int64_t rows = value.shape().size() / (kGroups * kSize);
    Shape shape = value.shape();
    shape[-2] = kHeads;
    Tensor out = Tensor::empty(shape, DType::kFloat64);
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t head = 0; head < kHeads; ++head) {
        const std::int64_t group = head / (kHeads / kGroups);
        for (std::int64_t k = 0; k < kSize; ++k) {
          out.data<double>()[std::size_t((row * kHeads + head) * kSize + k)] =
              value.data<double>()[std::size_t((row * kGroups + group) * kSize + k)];
        }
      }
    }
    return out;
  }
  /// Both layers in a model, the second with the first one's weights.
  void expect_equal(Options options, const CallArguments& arguments = {},
                    const std::vector<SymbolicTensor>& others = {},
                    const std::vector<Tensor>& given = {}) {
    options.head_dim = kSize;
    options.num_query_heads = kHeads;
    options.num_key_value_heads = kGroups;
    const SymbolicTensor q = input({2, 4, 5}), v = input({2, 7, 5}), k = input({2, 7, 3});
    const LayerRef grouped = L::GroupQueryAttention(options);
    const LayerRef whole = L::MultiHeadAttention({.num_heads = kHeads,
                                                  .key_dim = kSize,
                                                  .dropout = options.dropout,
                                                  .use_bias = options.use_bias,
                                                  .sliding_window = options.sliding_window,
                                                  .use_gate = options.use_gate});
    SymbolicTensors inputs{q, v, k};
    inputs.insert(inputs.end(), others.begin(), others.end());
    const auto model =
        Functional::create(inputs, {grouped({q, v, k}, arguments), whole({q, v, k}, arguments)});
    randomize(*model);
    const auto from = grouped->variables(), to = whole->variables();
    ASSERT_EQ(from.size(), to.size());
    for (std::size_t i = 0; i < from.size(); ++i) {
      const bool shared = from[i]->shape() != to[i]->shape();
      to[i]->assign(shared ? repeated(from[i]->value()) : from[i]->value());
    }
    std::vector<Tensor> values{normal({2, 4, 5}), normal({2, 7, 5}), normal({2, 7, 3})};
    values.insert(values.end(), given.begin(), given.end());
    const std::vector<Tensor> out = model->predict(values);
    expect_near(out[0], out[1]);
  }
};

}  // namespace

TEST_F(GroupedHeads, ShareKeysAndValues) {
  expect_equal({});
  expect_equal({.use_bias = false});
  expect_equal({.use_gate = true}, {{"use_causal_mask", true}});
  expect_equal({.dropout = 0.5, .sliding_window = 2});
}

TEST_F(GroupedHeads, HeedMasksAsOthersDo) {
  for (const Shape& shape : {Shape{2, 4, 7}, Shape{2, 6, 4, 7}, Shape{2, 1, 7}}) {
    const SymbolicTensor mask = input(shape, "bool");
    expect_equal({}, {{"attention_mask", mask}}, {mask}, {flags(shape)});
  }
  const SymbolicTensor mask = input({2, 7}, "int32");
  expect_equal({}, {{"value_mask", mask}, {"use_causal_mask", true}}, {mask},
               {flags({2, 7}).cast(DType::kInt32)});
  expect_equal({.dropout = 0.2}, {{"key_mask", mask}}, {mask}, {flags({2, 7}).cast(DType::kInt32)});
}

TEST_F(GroupedHeads, LeaveTheirInputsTheirMasks) {
  const SymbolicTensor ids = input({3, 5}, "int32");
  const SymbolicTensor x = L::Embedding({.input_dim = 7, .output_dim = 4, .mask_zero = true})(ids);
  const LayerRef heads =
      L::GroupQueryAttention({.head_dim = 2, .num_query_heads = 2, .num_key_value_heads = 1});
  const SymbolicTensor sum = L::Add()({x, heads({x, x})});
  const auto model = Functional::create({ids}, {sum, L::GlobalAveragePooling1D()(sum)});
  randomize(*model);
  const Tensor given = sentences(3, 5);
  const std::vector<Tensor> out = model->predict(std::vector<Tensor>{given});
  for (std::int64_t b = 0; b < 3; ++b) {
    double sum_of = 0, count = 0;
    for (std::int64_t t = 0; t < 5; ++t) {
      if (at(given, {b, t}) == 0) continue;
      sum_of += at(out[0], {b, t, 1});
      ++count;
    }
    EXPECT_NEAR(at(out[1], {b, 1}), sum_of / count, 1e-12);
  }
}

TEST_F(GroupedHeads, MaskTheQueryByNameToo) {
  const SymbolicTensor x = input({1, 2, 3}), m = input({1, 2}, "bool");
  const LayerRef heads = L::GroupQueryAttention(
      {.head_dim = 2, .num_query_heads = 2, .num_key_value_heads = 1, .dropout = 0.5});
  const auto model = Functional::create({x, m}, {heads({x, x}, {{"query_mask", m}})});
  randomize(*model);
  const Tensor mask = Tensor::from<std::int32_t>({0, 1}, {1, 2}).cast(DType::kBool);
  const Tensor y = model->predict({normal({1, 2, 3}), mask})[0];
  const Tensor bias = heads->variables().back()->value();
  for (std::int64_t f = 0; f < 3; ++f) {
    EXPECT_NEAR(at(y, {0, 0, f}), at(bias, {f}), 1e-12);  // nothing, where there is dropout
    EXPECT_GT(std::abs(at(y, {0, 1, f}) - at(bias, {f})), 1e-9);
  }
}

TEST_F(GroupedHeads, HaveKerasNamesVariablesAndPenalties) {
  clear_session();
  const LayerRef layer = L::GroupQueryAttention({.head_dim = 4,
                                                 .num_query_heads = 6,
                                                 .num_key_value_heads = 2,
                                                 .activity_regularizer = "l1",
                                                 .use_gate = true});
  layer->build({{kNone, 7, 8}, {kNone, 9, 8}, {kNone, 9, 3}});
  std::string text;
  for (const VariablePtr& variable : layer->variables()) {
    text += variable->path() + " " + variable->shape().str() + "\n";
  }
  EXPECT_EQ(text,
            "grouped_query_attention/query/kernel (8, 6, 4)\n"
            "grouped_query_attention/query/bias (6, 4)\n"
            "grouped_query_attention/key/kernel (3, 2, 4)\n"
            "grouped_query_attention/key/bias (2, 4)\n"
            "grouped_query_attention/gate/kernel (8, 6, 4)\n"
            "grouped_query_attention/gate/bias (6, 4)\n"
            "grouped_query_attention/value/kernel (8, 2, 4)\n"
            "grouped_query_attention/value/bias (2, 4)\n"
            "grouped_query_attention/attention_output/kernel (6, 4, 8)\n"
            "grouped_query_attention/attention_output/bias (8,)\n");
  std::string names;
  for (const Attribute& attribute : layer->attributes()) names += attribute.name + " ";
  EXPECT_EQ(names,
            "_query_dense _key_dense _gate_dense _value_dense _softmax _dropout_layer "
            "_output_dense ");
  EXPECT_EQ(layer->class_name(), "GroupedQueryAttention");
  EXPECT_EQ(layers::exported_name(*layer), "GroupQueryAttention");
  EXPECT_TRUE(layer->activity_regularizer()) << "of the output, beside those of the projections";
  for (const LayerPtr& sublayer : layer->sublayers()) {
    EXPECT_EQ(static_cast<bool>(sublayer->activity_regularizer()),
              sublayer->class_name() == "EinsumDense");
  }
}

TEST_F(GroupedHeads, RefuseWhatDoesNotSuitThem) {
  const auto make = [](Options options, std::vector<Shape> shapes) {
    options.name = "heads";
    return [options, shapes] {
      SymbolicTensors inputs;
      for (const Shape& shape : shapes) inputs.push_back(input(shape));
      (void)L::GroupQueryAttention(options)(inputs);
    };
  };
  const Options good{.head_dim = 3, .num_query_heads = 4, .num_key_value_heads = 2};
  const std::string layer = "Layer 'heads' (GroupedQueryAttention): ";
  const Shape x{2, 4, 5};
  expect_words(make({.head_dim = 3, .num_query_heads = 4, .num_key_value_heads = 3}, {x, x}),
               layer + "`num_query_heads` must be divisible by `num_key_value_heads`.");
  expect_words(make({.head_dim = 3, .num_query_heads = 4}, {x, x}), "`num_key_value_heads`");
  Options window = good;
  window.sliding_window = 0;
  expect_words(make(window, {x, x}),
               layer +
                   "`sliding_window` must be `None` or a positive integer. Received: "
                   "sliding_window=0");
  expect_words(make(good, {x}), "was called without the argument `value`");
  expect_words(make(good, {x, {2, 4, 6}}),
               layer +
                   "The last dimension of `query_shape` and `value_shape` must be equal, but "
                   "are 5, 6.");
  expect_words(make(good, {x, x, {2, 3, 5}}), "All dimensions of `value` and `key`");
  expect_words(make(good, {x, {3, 4, 5}}), "batches of different sizes");
  expect_words(make(good, {{2, 5}, {2, 5}}), "three axes");
}

// get_weights, set_weights, count_params: a layer's values as Keras gives and takes them.
#include <gtest/gtest.h>
#include <lamina/layers.h>

#include <random>
#include <string>
#include <vector>

#include "tests/fresh_seed.h"

namespace lamina {
namespace {

class LayerWeights : public ::testing::Test {
 protected:
  Tensor random(const Shape& shape) {
    Tensor out = Tensor::empty(shape);
    for (float& x : out.data<float>()) x = std::uniform_real_distribution<float>(-1, 1)(engine_);
    return out;
  }

 private:
  std::mt19937 engine_{lamina::test::fresh_seed()};
};

LayerRef built_dense() {
  LayerRef layer = layers::Dense({.units = 3, .name = "q"});
  layer->build({{kNone, 2}});
  return layer;
}

template <class Call>
std::string message(const Call& call) {
  try {
    call();
  } catch (const ValueError& error) {
    return error.what();
  }
  return "accepted";
}

TEST_F(LayerWeights, ComeInTheOrderOfKerasTrainableOrNot) {
  const LayerRef layer = layers::BatchNormalization();
  layer->build({{kNone, 2}});
  const VariablePtr gamma = layer->weights().at(0);
  EXPECT_EQ(gamma->name(), "gamma");
  gamma->assign(Tensor::from<float>({5, 6}, {2}));
  for (const bool trainable : {true, false}) {
    layer->set_trainable(trainable);
    const std::vector<Tensor> values = layer->get_weights();
    ASSERT_EQ(values.size(), 4u);
    const std::vector<std::vector<float>> wanted = {{5, 6}, {0, 0}, {0, 0}, {1, 1}};
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_TRUE(bitwise_equal(values[i], Tensor::from(wanted[i], {2}))) << i;
    }
    EXPECT_EQ(layer->weights(), layer->variables());
    EXPECT_EQ(layer->trainable_weights(), layer->trainable_variables());
    EXPECT_EQ(layer->trainable_weights().size(), trainable ? 2u : 0u);
    EXPECT_EQ(layer->non_trainable_weights().size(), trainable ? 2u : 4u);
  }
}

TEST_F(LayerWeights, ThatWereGivenAreTakenBackByAnotherLayer) {
  const layers::MultiHeadAttentionOptions options{
      .num_heads = 2, .key_dim = 3, .use_gate = true, .name = "mha"};
  const LayerRef one = layers::MultiHeadAttention(options),
                 other = layers::MultiHeadAttention(options);
  for (const LayerRef& layer : {one, other}) layer->build({{kNone, 5, 4}, {kNone, 5, 4}});
  std::vector<Tensor> values;
  for (const VariablePtr& variable : one->weights()) values.push_back(random(variable->shape()));
  one->set_weights(values);
  other->set_weights(one->get_weights());
  const std::vector<std::string> sublayers = {"query", "key", "gate", "value", "attention_output"};
  ASSERT_EQ(values.size(), 2 * sublayers.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(one->weights()[i]->path(),
              "mha/" + sublayers[i / 2] + (i % 2 == 0 ? "/kernel" : "/bias"));
    EXPECT_TRUE(bitwise_equal(one->weights()[i]->value(), values[i])) << i;
    EXPECT_TRUE(bitwise_equal(other->weights()[i]->value(), values[i])) << i;
  }
}

TEST_F(LayerWeights, AreCopiesOnTheWayOutAndIn) {
  const LayerRef layer = built_dense();
  const Tensor kernel = random({2, 3}), bias = random({3});
  std::vector<Tensor> given = {kernel.clone(), bias.clone()};
  layer->set_weights(given);
  given[0].data<float>()[0] = 7;
  std::vector<Tensor> got = layer->get_weights();
  got[1].data<float>()[0] = 7;
  EXPECT_TRUE(bitwise_equal(layer->weights()[0]->value(), kernel));
  EXPECT_TRUE(bitwise_equal(layer->weights()[1]->value(), bias));
}

TEST_F(LayerWeights, AreCastToTheVariablesDtypes) {
  const LayerRef layer = layers::Dense({.units = 2, .dtype = "bfloat16"});
  layer->build({{kNone, 1}});
  layer->set_weights(
      {Tensor::from<double>({1.001, -3}, {1, 2}), Tensor::from<std::int32_t>({4, 5}, {2})});
  const std::vector<Tensor> got = layer->get_weights();
  EXPECT_EQ(got[0].dtype(), DType::kBFloat16);
  EXPECT_TRUE(bitwise_equal(got[0].cast(DType::kFloat32), Tensor::from<float>({1, -3}, {1, 2})));
  EXPECT_TRUE(bitwise_equal(got[1].cast(DType::kFloat32), Tensor::from<float>({4, 5}, {2})));
}

TEST_F(LayerWeights, OfAnotherNumberAreRefusedInKerasWords) {
  const LayerRef layer = layers::Dense({.units = 3, .name = "q"});
  EXPECT_TRUE(layer->get_weights().empty());
  layer->set_weights({});
  EXPECT_EQ(message([&] {
              layer->set_weights({random({2, 3})});
            }),
            "You called `set_weights(weights)` on layer 'q' with a weight list of length 1, but "
            "the layer was expecting 0 weights.");
  layer->build({{kNone, 2}});
  EXPECT_EQ(message([&] {
              layer->set_weights({random({2, 3})});
            }),
            "You called `set_weights(weights)` on layer 'q' with a weight list of length 1, but "
            "the layer was expecting 2 weights.");
}

TEST_F(LayerWeights, OfWhichOneDoesNotFitChangeNothing) {
  const LayerRef layer = built_dense();
  const std::vector<Tensor> before = layer->get_weights();
  EXPECT_EQ(message([&] {
              layer->set_weights({random({2, 3}), random({2})});
            }),
            "Layer q weight shape (3,) is not compatible with provided weight shape (2,). Weight: "
            "q/bias");
  EXPECT_EQ(message([&] {
              layer->set_weights({random({2, 3}), Tensor()});
            }),
            "Layer q weight shape (3,) is not compatible with provided weight that is undefined. "
            "Weight: q/bias");
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(bitwise_equal(layer->weights()[i]->value(), before[i])) << i;
  }
}

TEST_F(LayerWeights, AreCountedOnceTheLayerIsBuilt) {
  const LayerRef layer = layers::Dense({.units = 3, .name = "q"});
  EXPECT_EQ(message([&] { (void)layer->count_params(); }),
            "You tried to call `count_params` on layer 'q', but the layer isn't built. You can "
            "build it manually via: `layer.build(input_shape)`.");
  layer->build({{kNone, 2}});
  EXPECT_EQ(layer->count_params(), 2 * 3 + 3);
  const LayerRef norm = layers::BatchNormalization();
  norm->build({{kNone, 7}});
  EXPECT_EQ(norm->count_params(), 4 * 7);
}

}  // namespace
}  // namespace lamina

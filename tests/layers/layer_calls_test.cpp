// What a layer says of its calls: Keras's `layer.input` and `layer.output`.
#include <gtest/gtest.h>
#include <lamina/layers.h>
#include <lamina/model.h>

#include <string>

#include "layers/access.h"

namespace lamina {
namespace {

bool same(const SymbolicTensor& a, const SymbolicTensor& b) {
  return layers::Access::node(a) == layers::Access::node(b) &&
         layers::Access::index(a) == layers::Access::index(b);
}

std::string message(const std::function<SymbolicTensor()>& call) {
  try {
    (void)call();
  } catch (const ValueError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(LayerCalls, TheFirstOneGivesInputAndOutput) {
  const auto x = layers::Input({.shape = {3}}), z = layers::Input({.shape = {3}});
  const LayerRef layer = layers::Dense({.units = 2});
  const SymbolicTensor y = layer(x);
  const SymbolicTensor second = layer(z);
  EXPECT_TRUE(same(layer->input(), x));
  EXPECT_TRUE(same(layer->output(), y));
  EXPECT_EQ(layer->output().shape(), (Shape{kNone, 2}));
  EXPECT_FALSE(same(layer->output(), second));
}

TEST(LayerCalls, ThatWereNeverMadeAreAnErrorInKerasWords) {
  const LayerRef layer = layers::Dense({.units = 2, .name = "q"});
  EXPECT_EQ(message([&] { return layer->input(); }),
            "The layer q has never been called and thus has no defined input.");
  EXPECT_EQ(message([&] { return layer->output(); }),
            "The layer q has never been called and thus has no defined output.");
  EXPECT_TRUE(layer->inputs().empty());
  EXPECT_TRUE(layer->outputs().empty());
}

TEST(LayerCalls, CountAsLongAsSomethingHoldsThem) {
  const LayerRef layer = layers::Dense({.units = 2});
  const auto x = layers::Input({.shape = {3}});
  SymbolicTensor first = layer(x);
  const SymbolicTensor second = layer(x);
  first = SymbolicTensor();
  EXPECT_TRUE(same(layer->output(), second));
}

TEST(LayerCalls, OfSeveralInputsAreAskedForAllOfThem) {
  const auto x = layers::Input({.shape = {3}}), y = layers::Input({.shape = {3}});
  const LayerRef add = layers::Add({.name = "sum"});
  const SymbolicTensor sum = add({x, y});
  ASSERT_EQ(add->inputs().size(), 2u);
  EXPECT_TRUE(same(add->inputs()[0], x));
  EXPECT_TRUE(same(add->inputs()[1], y));
  EXPECT_TRUE(same(add->output(), sum));
  EXPECT_EQ(message([&] { return add->input(); }),
            "Layer 'sum' (Add): has 2 inputs; use `inputs` to get all of them.");
}

TEST(LayerCalls, OfAnInputLayerAreItsPlaceholders) {
  const auto x = layers::Input({.shape = {3}, .name = "x"});
  const LayerPtr layer = layers::Access::node(x)->layer;
  EXPECT_TRUE(same(layer->output(), x));
  EXPECT_TRUE(layer->inputs().empty());
}

// Keras calls such layers with values, not placeholders; and here they may be traced on any thread.
TEST(LayerCalls, ThatAnotherLayerMakesDoNotCount) {
  class Twice final : public Layer {
   public:
    Twice() : Layer({"", "", true}) { inner = track("inner", layers::Dense({.units = 3})); }
    [[nodiscard]] std::string class_name() const override { return "Twice"; }
    [[nodiscard]] SymbolicTensors call(const SymbolicTensors& inputs) override {
      seen = (*inner)((*inner)(inputs.at(0)));
      return {seen};
    }
    LayerPtr inner;
    SymbolicTensor seen;  // which keeps the call
  };
  const auto layer = std::make_shared<Twice>();
  const SymbolicTensor y = (*layer)(layers::Input({.shape = {3}}));
  EXPECT_TRUE(layer->seen.defined());
  EXPECT_TRUE(layer->inner->outputs().empty());
  EXPECT_TRUE(same(layer->output(), y));
}

TEST(LayerCalls, OfAModelAreItsOwnGraph) {
  const auto x = layers::Input({.shape = {3}});
  const auto y = layers::Dense({.units = 2})(x);
  const auto model = Functional::create(x, y);
  const SymbolicTensor outer = (*model)(layers::Input({.shape = {3}}));
  EXPECT_TRUE(same(model->input(), x));
  EXPECT_TRUE(same(model->output(), y));
  EXPECT_FALSE(same(model->output(), outer));
  const auto empty = Sequential::create({}, {.name = "s"});
  EXPECT_EQ(message([&] { return empty->output(); }),
            "The layer s has never been called and thus has no defined output.");
}

}  // namespace
}  // namespace lamina

#include "models/graph_order.h"

#include <fmt/format.h>

#include "helpers.h"

namespace lamina {
namespace {

using namespace test;
using Names = std::vector<std::string>;

Names order(const SymbolicTensors& inputs, const SymbolicTensors& outputs) {
  return names_of(Functional::create(inputs, outputs)->layers());
}

SymbolicTensor add(const SymbolicTensor& a, const SymbolicTensor& b) {
  return layers::Add({.name = "add"})({a, b});
}

// Small graphs, as Keras orders them.

TEST(GraphOrder, FollowsTheOutputsBackwards) {
  const auto x = input(3, "x");
  const auto a = dense(3, "a")(x), b = dense(3, "b")(x);
  EXPECT_EQ(order({x}, {add(b, a)}), (Names{"x", "b", "a", "add"}));
}

TEST(GraphOrder, PutsDeeperLayersFirst) {
  const auto x = input(3, "x");
  const auto a = dense(3, "a")(x), b = dense(3, "b")(x);
  EXPECT_EQ(order({x}, {add(dense(3, "c")(a), b)}), (Names{"x", "a", "c", "b", "add"}));
}

TEST(GraphOrder, UnusedInputsStandBeforeTheOutput) {
  const auto x = input(3, "x"), y = input(3, "y"), z = input(3, "z");
  const auto joined = layers::Concatenate({.name = "concat"})({dense(3, "a")(x), dense(3, "b")(y)});
  EXPECT_EQ(order({y, x, z}, {joined}), (Names{"x", "y", "a", "b", "z", "concat"}));
}

TEST(GraphOrder, SharedLayersSitAtTheirDeepestUse) {
  const auto x = input(3, "x");
  const auto a = dense(3, "a"), b = dense(3, "b");
  EXPECT_EQ(order({x}, {a(b(a(x)))}), (Names{"x", "a", "b"}));
}

TEST(GraphOrder, SeveralOutputsAreWalkedInOrder) {
  const auto x = input(3, "x");
  const auto a = dense(3, "a")(x), b = dense(3, "b")(x);
  EXPECT_EQ(order({x}, {dense(3, "c")(a), b}), (Names{"x", "a", "c", "b"}));
}

TEST(GraphOrder, InputMayBeOutput) {
  const auto x = input(3, "x"), y = input(3, "y");
  EXPECT_EQ(order({x, y}, {x, dense(2, "a")(y)}), (Names{"y", "x", "a"}));
}

TEST(GraphOrder, LongChainsNeedNoStack) {
  const auto x = input(1, "x");
  SymbolicTensor y = x;
  const int length = 50000;
  for (int i = 0; i < length; ++i) {
    y = layers::Activation({.activation = "linear", .name = fmt::format("l{}", i)})(y);
  }
  const auto layers = Functional::create(x, y)->layers();
  ASSERT_EQ(layers.size(), length + 1u);
  EXPECT_EQ(layers[1]->name(), "l0");
  EXPECT_EQ(layers.back()->name(), fmt::format("l{}", length - 1));
}

TEST(GraphOrder, RefusesAnUndeclaredPlaceholder) {
  const auto x = input(3, "x"), y = input(3, "y");
  const auto sum = add(x, y);
  try {
    Functional::create(x, sum);
    FAIL() << "accepted";
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "Output with path `0` is not connected to `inputs`");
  }
}

TEST(GraphOrder, RefusesTwoLayersOfOneName) {
  const auto x = input(3, "x");
  const auto y = dense(3, "same")(dense(3, "same")(x));
  try {
    Functional::create(x, y);
    FAIL() << "accepted";
  } catch (const ValueError& error) {
    EXPECT_STREQ(
        error.what(),
        "The name \"same\" is used 2 times in the model. All operation names should be unique.");
  }
}

TEST(GraphOrder, RefusesEmptyEnds) {
  const auto x = input(3, "x");
  EXPECT_THROW(Functional::create(SymbolicTensors{}, {x}), ValueError);
  EXPECT_THROW(Functional::create({x}, SymbolicTensors{}), ValueError);
  EXPECT_THROW(Functional::create(x, SymbolicTensor{}), ValueError);
}

TEST(GraphOrder, ModelMayStartInTheMiddle) {
  const auto x = input(3, "x");
  const auto first = dense(4, "first"), second = dense(5, "second"), third = dense(2, "third");
  const auto middle = first(x);
  const auto y = third(second(middle));
  const auto whole = Functional::create(x, y);
  const auto tail = Functional::create(middle, y);
  EXPECT_EQ(names_of(tail->layers()), (Names{"firstCLONE", "second", "third"}));
  EXPECT_EQ(tail->inputs()[0].shape(), (Shape{kNone, 4}));
  EXPECT_EQ(tail->layers()[1].get(), whole->layers()[2].get()) << "the layers are shared";
}

}  // namespace
}  // namespace lamina

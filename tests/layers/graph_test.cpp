// Applying layers to placeholders: checks, shapes, composite layers.
#include <gtest/gtest.h>
#include <lamina/layers.h>

#include <random>
#include <string>

#include "graph/builder.h"
#include "graph/program.h"
#include "layers/access.h"
#include "layers/trace.h"
#include "tests/fresh_seed.h"
#include "tests/layers/execute.h"

using namespace lamina;
namespace L = lamina::layers;

namespace {

template <class F>
std::string error_of(const F& f) {
  try {
    f();
    return "";
  } catch (const ValueError& error) {
    return error.what();
  }
}

void expect_error(const std::function<void()>& f, const std::string& words) {
  const std::string text = error_of(f);
  EXPECT_NE(text.find(words), std::string::npos) << "\"" << text << "\" for \"" << words << "\"";
}

// Two dense layers with a way around them.
class Block final : public Layer {
 public:
  explicit Block(std::int64_t units) : Layer({"", "", true}) {
    first_ = track("first", L::Dense({.units = units, .activation = "relu"}));
    AttributeList rest;
    rest.items.push_back({"", LayerPtr(L::Dense({.units = units}))});
    second_ = std::get<LayerPtr>(rest.items[0].value);
    track("rest", std::move(rest));
  }
  [[nodiscard]] std::string class_name() const override { return "Block"; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& inputs) override {
    const SymbolicTensor y = (*second_)((*first_)(inputs.at(0)));
    return {L::Add()(SymbolicTensors{inputs[0], y})};
  }

 private:
  LayerPtr first_, second_;
};

class Empty final : public Layer {
 public:
  Empty() : Layer({"", "", true}) {}
  [[nodiscard]] std::string class_name() const override { return "Empty"; }
};

Tensor random_tensor(const Shape& shape) {
  static std::mt19937 engine(lamina::test::fresh_seed());
  Tensor t = Tensor::empty(shape);
  for (float& x : t.data<float>()) x = std::normal_distribution<float>()(engine);
  return t;
}

}  // namespace

TEST(Apply, ChecksTheInputSpecInKerasWords) {
  const LayerRef dense = L::Dense({.units = 2, .name = "dense"});
  (void)dense(L::Input({.shape = {4}}));
  expect_error(
      [&] { (void)dense(L::Input({.shape = {5}})); },
      "Input 0 of layer \"dense\" is incompatible with the layer: expected axis -1 of input "
      "shape to have value 4, but received input with shape (None, 5)");
  expect_error([&] { (void)dense(L::Input({.shape = Shape{}})); },
               "expected min_ndim=2, found ndim=1. Full shape received: (None,)");
  expect_error(
      [&] {
        (void)L::MaxPooling2D()(L::Input({.shape = {5, 5}}));
      },
      "expected ndim=4, found ndim=3. Full shape received: (None, 5, 5)");
  expect_error(
      [&] {
        (void)dense(SymbolicTensors{L::Input({.shape = {4}}), L::Input({.shape = {4}})});
      },
      "Layer \"dense\" expects 1 input(s), but it received 2 input tensors");
  expect_error([&] { (void)dense(SymbolicTensor()); }, "undefined tensor");
}

TEST(Apply, SharesVariablesBetweenCalls) {
  const LayerRef dense = L::Dense({.units = 2});
  const SymbolicTensor a = dense(L::Input({.shape = {4}})), b = dense(L::Input({.shape = {4}}));
  EXPECT_EQ(dense->own_variables().size(), 2u);
  EXPECT_EQ(layers::Access::node(a)->layer, layers::Access::node(b)->layer);
  EXPECT_NE(layers::Access::node(a), layers::Access::node(b));
}

TEST(Apply, RefusesSizesThatDoNotFit) {
  const auto image = [] { return L::Input({.shape = {4, 4, 3}}); };
  expect_error([&] { (void)L::Conv2D({.filters = 2, .kernel_size = 5})(image()); },
               "Computed output size would be zero or negative");
  expect_error([&] { (void)L::MaxPooling2D({.pool_size = 5})(image()); },
               "Computed output size would be zero or negative");
  expect_error([&] { (void)L::Conv2D({.filters = 4, .kernel_size = 1, .groups = 2})(image()); },
               "The number of input channels must be evenly divisible by the number of groups");
  expect_error(
      [&] {
        (void)L::Reshape({.target_shape = {5, 5}})(image());
      },
      "The total size of the tensor must be unchanged");
  expect_error(
      [&] {
        (void)L::Reshape({.target_shape = {-1, 5}})(image());
      },
      "the input size cannot by divided");
  expect_error([&] { (void)L::BatchNormalization({.axis = 4})(image()); },
               "Axis 4 is out of bounds");
  expect_error([&] { (void)L::Softmax({.axis = {1, 7}})(image()); }, "Axis 7 is out of bounds");
  expect_error(
      [&] {
        (void)L::Flatten()(L::Input({.batch_shape = {1, 1 << 30, 1 << 30, 1 << 30}}));
      },
      "");
}

TEST(Apply, RefusesMergesThatDoNotBroadcast) {
  const SymbolicTensor a = L::Input({.shape = {3, 4}}), b = L::Input({.shape = {2, 4}});
  expect_error(
      [&] {
        (void)L::Add()({a, b});
      },
      "Inputs have incompatible shapes. Received shapes (3, 4) and (2, 4)");
  expect_error(
      [&] {
        (void)L::Subtract()({a, a, a});
      },
      "A `Subtract` layer should be called on exactly 2 inputs");
  expect_error(
      [&] {
        (void)L::Concatenate()({a, b});
      },
      "requires inputs with matching shapes except for the concatenation axis. Received: "
      "input_shape=[(None, 3, 4), (None, 2, 4)]");
  const SymbolicTensor two = L::Input({.batch_shape = {2, 4}}),
                       three = L::Input({.batch_shape = {3, 4}});
  expect_error(
      [&] {
        (void)L::Add()({two, three});
      },
      "Cannot merge tensors with different batch sizes");
  const SymbolicTensor one = L::Input({.batch_shape = {1, 4}});
  EXPECT_EQ(L::Add()({one, two}).shape(), (Shape{2, 4}));
  EXPECT_EQ(L::Add()({two, one}).shape(), (Shape{2, 4}));
  EXPECT_EQ(L::Add()({one, L::Input({.shape = {4}})}).shape(), (Shape{kNone, 4}));
}

TEST(Apply, RefusesOutputsBeyondCounting) {
  SymbolicTensor x = L::Input({.batch_shape = {1, 1, std::int64_t{1} << 30, 1}});
  expect_error(
      [&] {
        for (int i = 0; i < 8; ++i) x = L::UpSampling2D({.size = 1 << 19})(x);
      },
      "too large");
}

TEST(CompositeLayer, HasTheShapesAndVariablesOfWhatItCalls) {
  clear_session();
  const LayerRef block = std::make_shared<Block>(4);
  const SymbolicTensor y = block(L::Input({.shape = {4}}));
  EXPECT_EQ(y.shape().str(), "(None, 4)");
  EXPECT_EQ(block->name(), "block");
  EXPECT_TRUE(block->own_variables().empty());
  EXPECT_EQ(block->variables().size(), 4u);
  ASSERT_EQ(block->attributes().size(), 2u);
  EXPECT_EQ(block->attributes()[0].name, "first");
  EXPECT_TRUE(std::get<LayerPtr>(block->attributes()[0].value)->built());
}

TEST(CompositeLayer, IsBuiltWithoutBeingCalled) {
  const LayerRef block = std::make_shared<Block>(4);
  block->build({{kNone, 4}});
  EXPECT_TRUE(block->built());
  EXPECT_EQ(block->variables().size(), 4u);
}

TEST(CompositeLayer, ComputesWhatItCalls) {
  const LayerRef block = std::make_shared<Block>(4);
  block->build({{kNone, 4}});
  const Tensor x = random_tensor({3, 4});
  const auto variables = block->variables();
  for (const VariablePtr& v : variables) v->assign(random_tensor(v->shape()));
  const auto w1 = variables[0]->value().data<float>(), b1 = variables[1]->value().data<float>();
  const auto w2 = variables[2]->value().data<float>(), b2 = variables[3]->value().data<float>();
  const Tensor y = lamina::testing::execute(*block, {x})[0];
  for (std::size_t r = 0; r < 3; ++r) {
    const auto in = x.data<float>().subspan(r * 4, 4);
    for (std::size_t c = 0; c < 4; ++c) {
      double out = in[c] + b2[c];
      for (std::size_t h = 0; h < 4; ++h) {
        double hidden = b1[h];
        for (std::size_t k = 0; k < 4; ++k) hidden += double{in[k]} * w1[k * 4 + h];
        out += std::max(hidden, 0.0) * w2[h * 4 + c];
      }
      EXPECT_NEAR(y.data<float>()[r * 4 + c], out, 1e-4 * (1 + std::fabs(out)));
    }
  }
}

TEST(CompositeLayer, FreezesWhatItHolds) {
  const LayerRef block = std::make_shared<Block>(4);
  block->set_trainable(false);
  EXPECT_FALSE(std::get<LayerPtr>(block->attributes()[0].value)->trainable());
}

TEST(CompositeLayer, MustSayWhatItComputes) {
  const LayerRef empty = std::make_shared<Empty>();
  expect_error([&] { (void)empty(L::Input({.shape = {4}})); }, "override `call`");
}

TEST(CompositeLayer, TracingTakesNoAutomaticInputName) {
  clear_session();
  const LayerRef block = std::make_shared<Block>(4);
  block->build({{kNone, 4}});
  EXPECT_EQ(layers::Access::node(L::Input({.shape = {1}}))->layer->name(), "input_layer");
}

TEST(UpSampling2D, RepeatsIntegersAsTheyAre) {
  const std::int64_t large = std::int64_t{1} << 60;  // beyond any float
  const Tensor x = Tensor::from<std::int64_t>({large + 1, 2, 3, large + 4}, {1, 2, 2, 1});
  const auto run = [](const std::string& data_format, const Tensor& image) {
    const LayerRef layer = L::UpSampling2D({.size = {1, 3}, .data_format = data_format});
    layer->build({image.shape()});
    return lamina::testing::execute(*layer, {image})[0];
  };
  const Tensor wide = Tensor::from<std::int64_t>(
      {large + 1, large + 1, large + 1, 2, 2, 2, 3, 3, 3, large + 4, large + 4, large + 4},
      {1, 2, 6, 1});
  EXPECT_TRUE(bitwise_equal(run("channels_last", x), wide));
  EXPECT_TRUE(
      bitwise_equal(run("channels_first", x.reshape({1, 1, 2, 2})), wide.reshape({1, 1, 2, 6})));
  const Tensor rows = lamina::testing::execute(*LayerPtr(L::UpSampling2D({.size = {2, 1}})),
                                               {x.cast(DType::kBool).reshape({1, 2, 1, 2})})[0];
  EXPECT_EQ(rows.shape(), (Shape{1, 4, 1, 2}));
  EXPECT_EQ(rows.dtype(), DType::kBool);
}

TEST(LowerGraph, VisitsASharedNodeOnceAndSurvivesDepth) {
  SymbolicTensor x = L::Input({.batch_shape = {1, 2}});
  const SymbolicTensor input = x;
  const LayerRef add = L::Add();
  constexpr int kDepth = 20000;  // 2^20000 paths, and too deep for recursion
  for (int i = 0; i < kDepth; ++i) x = add({x, x});
  graph::Program program;
  graph::Builder builder(program);
  const graph::ValueId id = program.add_value({{1, 2}, DType::kFloat32});
  (void)L::lower_graph(builder, {input}, {x}, {id});
  EXPECT_EQ(program.ops.size(), static_cast<std::size_t>(kDepth));
}

TEST(LowerGraph, NamesAPlaceholderThatIsNoInput) {
  const SymbolicTensor a = L::Input({.shape = {2}, .name = "a"}),
                       b = L::Input({.shape = {2}, .name = "b"});
  const SymbolicTensor y = L::Add()({a, b});
  graph::Program program;
  graph::Builder builder(program);
  const graph::ValueId id = program.add_value({{1, 2}, DType::kFloat32});
  expect_error([&] { (void)L::lower_graph(builder, {a}, {y}, {id}); }, "'b'");
}

TEST(Autocast, CastsFloatsAndLeavesIntegers) {
  graph::Program program;
  graph::Builder builder(program);
  const LayerRef add = L::Add({.dtype = "bfloat16"});
  (void)add({L::Input({.shape = {2}}), L::Input({.shape = {2}})});
  const auto a = program.add_value({{1, 2}, DType::kFloat32});
  const auto b = program.add_value({{1, 2}, DType::kFloat32});
  const auto y = layers::Access::lower(*add, builder, {a, b});
  EXPECT_EQ(builder.dtype(y[0]), DType::kBFloat16);
  const LayerRef flatten = L::Flatten({.dtype = "bfloat16"});
  const auto ids = program.add_value({{1, 2, 2}, DType::kInt32});
  EXPECT_EQ(builder.dtype(layers::Access::lower(*flatten, builder, {ids})[0]), DType::kInt32);
}

TEST(Autocast, NormalizationsTakeIntegersThatANarrowTypeHasNot) {
  std::mt19937 engine(lamina::test::fresh_seed());
  Tensor x = Tensor::empty({3, 8}, DType::kInt32);
  for (auto& value : x.data<std::int32_t>()) {  // bfloat16 has every 64th of them
    value = std::uniform_int_distribution<std::int32_t>(10000, 10050)(engine);
  }
  const auto run = [&](const LayerRef& layer) {
    layer->build({{3, 8}});
    return lamina::testing::execute(*layer, {x})[0];
  };
  const Tensor rows = run(L::LayerNormalization({.dtype = "mixed_bfloat16"}));
  EXPECT_TRUE(bitwise_equal(rows, run(L::LayerNormalization()).cast(DType::kBFloat16)));
  const Initializer mean(initializers::Constant{10000});
  const Tensor columns =
      run(L::BatchNormalization({.moving_mean_initializer = mean, .dtype = "mixed_bfloat16"}));
  EXPECT_TRUE(bitwise_equal(
      columns,
      run(L::BatchNormalization({.moving_mean_initializer = mean})).cast(DType::kBFloat16)));
}

TEST(DTypePolicy, KnowsKerasNames) {
  EXPECT_EQ(DTypePolicy::from_name("mixed_float16").compute, DType::kFloat16);
  EXPECT_EQ(DTypePolicy::from_name("mixed_float16").variable, DType::kFloat32);
  EXPECT_EQ(DTypePolicy::from_name("float64").variable, DType::kFloat64);
  EXPECT_THROW((void)DTypePolicy::from_name("float33"), ValueError);
  set_dtype_policy("mixed_bfloat16");
  const LayerRef layer = L::Dense({.units = 1});
  set_dtype_policy("float32");
  EXPECT_EQ(layer->dtype_policy().name, "mixed_bfloat16");
}

#include "tests/models/helpers.h"

namespace lamina {
namespace {

using namespace test;

std::shared_ptr<Functional> two_inputs() {
  const auto a = input(3, "a"), b = input(2, "b");
  const auto joined = layers::Concatenate()({dense(4, "d")(a), b});
  return Functional::create({a, b}, {dense(2, "e")(joined), joined});
}

std::vector<float> values(const Tensor& tensor) {
  const auto span = tensor.data<float>();
  return {span.begin(), span.end()};
}

TEST(Predict, BatchesGiveTheSameRows) {
  Random random;
  const auto model = two_inputs();
  random.fill(*model);
  const std::vector<Tensor> data = {random.tensor({11, 3}), random.tensor({11, 2})};
  const auto whole = model->predict(data, {.batch_size = 11});
  for (const std::int64_t batch : {1, 2, 4, 5, 10, 32}) {
    const auto parts = model->predict(data, {.batch_size = batch});
    ASSERT_EQ(parts.size(), 2u);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      ASSERT_EQ(parts[i].shape(), whole[i].shape());
      for (std::size_t k = 0; k < values(whole[i]).size(); ++k) {
        EXPECT_NEAR(values(parts[i])[k], values(whole[i])[k], 1e-5) << "batch " << batch;
      }
    }
  }
}

TEST(Predict, ComputesADenseLayer) {
  Random random;
  const auto x = input(3, "x");
  const auto model = Functional::create(x, dense(2, "d")(x));
  random.fill(*model);
  const auto kernel = values(model->variables()[0]->value()),
             bias = values(model->variables()[1]->value());
  const Tensor data = random.tensor({4, 3});
  const auto result = values(model->predict(data));
  for (std::size_t row = 0; row < 4; ++row) {
    for (std::size_t column = 0; column < 2; ++column) {
      float expected = bias[column];
      for (std::size_t k = 0; k < 3; ++k)
        expected += values(data)[row * 3 + k] * kernel[k * 2 + column];
      EXPECT_NEAR(result[row * 2 + column], expected, 1e-5);
    }
  }
}

TEST(Predict, GivesTheSameBitsTwice) {
  Random random;
  const auto model = two_inputs();
  random.fill(*model);
  const std::vector<Tensor> data = {random.tensor({7, 3}), random.tensor({7, 2})};
  const auto first = model->predict(data), second = model->predict(data);
  EXPECT_TRUE(bitwise_equal(first[0], second[0]));
  EXPECT_TRUE(bitwise_equal(first[1], second[1]));
}

TEST(Predict, ResultsOutliveTheNextCall) {
  Random random;
  const auto model = two_inputs();
  random.fill(*model);
  const auto first = model->predict({random.tensor({3, 3}), random.tensor({3, 2})});
  const Tensor kept = first[0].clone();
  (void)model->predict({random.tensor({3, 3}), random.tensor({3, 2})});
  EXPECT_TRUE(bitwise_equal(first[0], kept));
}

TEST(Predict, SeesNewWeights) {
  Random random;
  const auto x = input(2, "x");
  const auto model = Functional::create(x, dense(1, "d")(x));
  const Tensor data = Tensor::from<float>({1, 2}, {1, 2});
  model->variables()[0]->assign(Tensor::from<float>({1, 1}, {2, 1}));
  EXPECT_FLOAT_EQ(values(model->predict(data))[0], 3);
  model->variables()[0]->assign(Tensor::from<float>({10, 1}, {2, 1}));
  EXPECT_FLOAT_EQ(values(model->predict(data))[0], 12);
}

TEST(Predict, CastsInputsOfOtherDTypes) {
  const auto x = input(2, "x");
  const auto model = Functional::create(x, dense(1, "d")(x));
  model->variables()[0]->assign(Tensor::from<float>({1, 1}, {2, 1}));
  EXPECT_FLOAT_EQ(values(model->predict(Tensor::from<double>({1.5, 2}, {1, 2})))[0], 3.5);
  EXPECT_FLOAT_EQ(values(model->predict(Tensor::from<std::int64_t>({1, 2}, {1, 2})))[0], 3);
}

TEST(Predict, AddsOrDropsATrailingAxisOfOne) {
  const auto x = input(1, "x");
  const auto model = Functional::create(x, dense(1, "d")(x));
  model->variables()[0]->assign(Tensor::from<float>({2}, {1, 1}));
  EXPECT_EQ(values(model->predict(Tensor::from<float>({1, 2}, {2}))), (std::vector<float>{2, 4}));
  EXPECT_EQ(values(model->predict(Tensor::from<float>({1, 2}, {2, 1, 1}))),
            (std::vector<float>{2, 4}));
}

TEST(Predict, InputsMayBeOutputs) {
  const auto x = input(2, "x"), y = input(1, "y");
  const auto model = Functional::create({x, y}, {y, x, x});
  const auto outputs =
      model->predict({Tensor::from<float>({1, 2}, {1, 2}), Tensor::from<float>({3}, {1, 1})});
  ASSERT_EQ(outputs.size(), 3u);
  EXPECT_EQ(values(outputs[0]), (std::vector<float>{3}));
  EXPECT_EQ(values(outputs[1]), (std::vector<float>{1, 2}));
  EXPECT_EQ(values(outputs[2]), (std::vector<float>{1, 2}));
}

TEST(Predict, ADeclaredBatchSizeBindsNoData) {
  Random random;
  const auto x = layers::Input({.batch_shape = Shape{4, 3}, .name = "x"});
  const auto model =
      Functional::create(x, layers::Reshape({.target_shape = {2, 1}})(dense(2, "d")(x)));
  random.fill(*model);
  const Tensor data = random.tensor({10, 3});
  const Tensor whole = model->predict(data);
  EXPECT_EQ(whole.shape(), (Shape{10, 2, 1}));
  for (const std::int64_t batch : {1, 4, 7}) {
    const auto found = values(model->predict(data, {.batch_size = batch}));
    for (std::size_t k = 0; k < found.size(); ++k) EXPECT_NEAR(found[k], values(whole)[k], 1e-5);
  }
  EXPECT_EQ(model->outputs()[0].shape(), (Shape{4, 2, 1}));
}

TEST(Predict, UnknownSizesComeFromTheData) {
  const auto x = layers::Input({.shape = Shape{kNone, kNone, 3}, .name = "x"});
  const auto model = Functional::create(x, layers::GlobalAveragePooling2D()(x));
  EXPECT_EQ(model->outputs()[0].shape(), (Shape{kNone, 3}));
  for (const std::int64_t size : {2, 5}) {
    const Tensor result = model->predict(wave({2, size, size + 1, 3}, 1, 0, 0, 0));
    EXPECT_EQ(result.shape(), (Shape{2, 3}));
    for (const float value : values(result)) EXPECT_NEAR(value, 1, 1e-6);
  }
}

template <class Call>
std::string message(const Call& call) {
  try {
    call();
  } catch (const ValueError& error) {
    return error.what();
  }
  ADD_FAILURE() << "accepted";
  return {};
}

TEST(Predict, NamesTheInputThatDoesNotFit) {
  const auto model = two_inputs();
  const Tensor a = Tensor::zeros({2, 3}), b = Tensor::zeros({2, 2});
  const auto has = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  has(message([&] { (void)model->predict({a, a}); }), "input 'b', expected shape (None, 2)");
  has(message([&] { (void)model->predict({a}); }), "expects 2 input(s)");
  has(message([&] { (void)model->predict({a, Tensor::zeros({3, 2})}); }), "input 'b' has 3");
  has(message([&] { (void)model->predict({a, Tensor()}); }), "Input 'b' is undefined");
  has(message([&] {
        (void)model->predict({Tensor::zeros({0, 3}), Tensor::zeros({0, 2})});
      }),
      "Input 'a'");
  has(message([&] { (void)model->predict({a, Tensor::zeros({})}); }), "Input 'b' is a scalar");
  has(message([&] { (void)model->predict({a, b}, {.batch_size = 0}); }), "batch_size");
  has(message([&] { (void)model->predict(a); }), "expects 2 input(s)");
  has(message([&] { (void)model->predict(std::vector<Tensor>{}); }), "expects 2 input(s)");
}

TEST(Predict, ReleasedWeightsServeEveryBatchThatFits) {
  Random random;
  const auto x = input(3, "x");
  const auto model = Functional::create(x, dense(2, "d")(x));
  random.fill(*model);
  const Tensor data = random.tensor({10, 3});
  const auto expected = values(model->predict(data, {.batch_size = 4}));
  const std::vector<Tensor> weights = {model->variables()[0]->value(),
                                       model->variables()[1]->value()};

  const auto x2 = input(3, "x");
  const auto lean = Functional::create(x2, dense(2, "d")(x2));
  for (std::size_t i = 0; i < weights.size(); ++i) lean->variables()[i]->assign(weights[i]);
  lean->compile_inference({{4, 3}}, {.release_weights = true});
  for (const VariablePtr& variable : lean->variables()) EXPECT_TRUE(variable->released());
  const auto found = values(lean->predict(data, {.batch_size = 4}));  // 4, 4 and a padded 2
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t k = 0; k < found.size(); ++k) EXPECT_NEAR(found[k], expected[k], 1e-6);
  EXPECT_THROW((void)lean->predict(data), ValueError)
      << "ten rows at once need weights that are gone";

  for (std::size_t i = 0; i < weights.size(); ++i) lean->variables()[i]->assign(weights[i]);
  EXPECT_EQ(values(lean->predict(data)), values(model->predict(data)));
}

TEST(Predict, ReleasedWeightsServeAfterBatchesThatDidNotFit) {
  Random random;
  const auto x = input(3, "x");
  const auto model = Functional::create(x, dense(2, "d")(x));
  random.fill(*model);
  const Tensor data = random.tensor({10, 3});
  const Tensor four =
      Tensor::from_bytes(data.bytes().first(4 * 3 * sizeof(float)), {4, 3}, DType::kFloat32);
  model->compile_inference({{4, 3}}, {.release_weights = true});
  const auto expected = values(model->predict(four));
  // More of them than plans are kept.
  for (std::int64_t rows = 5; rows <= 10; ++rows) {
    EXPECT_THROW((void)model->predict(data, {.batch_size = rows}), ValueError) << rows;
    EXPECT_THROW(model->compile_inference({{rows, 3}}), ValueError) << rows;
    EXPECT_EQ(values(model->predict(four)), expected) << rows;
  }
}

TEST(Predict, CompilingNeedsKnownShapes) {
  const auto x = input(3, "x");
  const auto model = Functional::create(x, dense(2, "d")(x));
  EXPECT_THROW(model->compile_inference({{kNone, 3}}), ValueError);
  EXPECT_THROW(model->compile_inference({{1, 4}}), ValueError);
  EXPECT_THROW(model->compile_inference({}), ValueError);
}

TEST(Predict, NestedModelsMayBeShared) {
  Random random;
  const auto x = input(2, "x");
  const auto inner = Functional::create(x, dense(2, "d")(x));
  const auto y = input(2, "y");
  const LayerRef block(inner);
  const auto model = Functional::create(y, block(block(y)));
  random.fill(*model);
  const Tensor data = random.tensor({3, 2});
  const auto twice = values(inner->predict(inner->predict(data)));
  const auto found = values(model->predict(data));
  for (std::size_t k = 0; k < found.size(); ++k) EXPECT_NEAR(found[k], twice[k], 1e-5);
  EXPECT_EQ(model->count_params(), 6);
}

std::shared_ptr<Sequential> stack_of(const LayerRef& first, const LayerRef& second) {
  return Sequential::create({layers::InputLayer({.shape = {3}}), first, second}, {.name = "inner"});
}

TEST(Predict, FollowsTheLayersOfAModelWithin) {
  Random random;
  const auto inner = stack_of(dense(4, "a"), dense(4, "b"));
  const auto x = input(3, "x"), y = input(4, "y");
  const LayerRef top = dense(2, "top");
  const auto middle = Sequential::create({LayerRef(inner), layers::ReLU()});
  const auto model = Functional::create(x, top((*middle)(x)));
  const auto rest = Functional::create(y, top(layers::ReLU()(y)));
  const Tensor data = random.tensor({5, 3});
  const auto expect_followed = [&] {
    random.fill(*model);
    const std::vector<float> found = values(model->predict(data)),
                             wanted = values(rest->predict(inner->predict(data)));
    ASSERT_EQ(found.size(), wanted.size());
    for (std::size_t k = 0; k < found.size(); ++k) EXPECT_NEAR(found[k], wanted[k], 1e-4);
  };
  expect_followed();
  inner->pop();
  expect_followed();
  inner->add(dense(4, "c"));
  expect_followed();
}

TEST(Predict, RefusesWhatAModelWithinNoLongerGives) {
  const auto inner = stack_of(dense(4, "a"), dense(5, "b"));
  const auto x = input(3, "x");
  const auto model = Functional::create(x, dense(2, "top")((*inner)(x)));
  const Tensor data = Tensor::zeros({2, 3});
  EXPECT_EQ(model->predict(data).shape(), (Shape{2, 2}));
  inner->pop();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(message([&] { (void)model->predict(data); }),
              "Input 0 of layer \"top\" is incompatible with the layer: expected axis -1 of input "
              "shape to have value 5, but received input with shape (2, 4)");
  }
  inner->pop();
  EXPECT_EQ(
      message([&] { (void)model->predict(data); }),
      "Sequential model inner cannot be built because it has no layers. Call `model.add(layer)`.");
  inner->add(dense(5, "c"));
  EXPECT_EQ(model->predict(data).shape(), (Shape{2, 2}));
}

TEST(Predict, MixedPrecisionGivesTheComputeType) {
  const auto x = input(2, "x");
  const auto model =
      Functional::create(x, layers::Dense({.units = 2, .name = "d", .dtype = "mixed_bfloat16"})(x));
  EXPECT_EQ(model->variables()[0]->dtype(), DType::kFloat32);
  EXPECT_EQ(model->predict(Tensor::zeros({1, 2})).dtype(), DType::kBFloat16);
}

}  // namespace
}  // namespace lamina

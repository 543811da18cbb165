// Operations as nodes of graphs: names, errors, layers of one's own, masks.
#include <functional>

#include <nlohmann/json.hpp>

#include "tests/layers/operations/elements.h"

namespace lamina {
namespace {

using ops::Slice;
using test::at;
using test::expect_elements;
using test::Place;

class Operations : public test::OperationTest {
 protected:
  template <class Expected = ValueError, class F>
  static void expect_refused(const F& call, const std::string& name, const std::string& what) {
    try {
      (void)call();
      ADD_FAILURE() << what << ": taken";
    } catch (const Expected& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find("Layer '" + name), std::string::npos) << text;
      EXPECT_NE(text.find(what), std::string::npos) << text;
    }
  }
};

std::vector<std::string> names_in(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text);
  std::vector<std::string> names;
  for (const auto& layer : json["config"]["layers"]) names.push_back(layer["name"]);
  return names;
}

TEST_F(Operations, AreNamedWithTheLayersAndAreNoneOfThem) {
  const auto x = layers::Input({.shape = {4}, .name = "x"});
  const SymbolicTensor first = x + 1.0;
  const SymbolicTensor second = layers::Add()({first, x});
  const auto model = Functional::create(x, ops::log_softmax(second + x));
  EXPECT_EQ(names_in(model->to_json()),
            (std::vector<std::string>{"x", "add", "add_1", "add_2", "log_softmax"}));
  std::vector<std::string> layers;
  for (const LayerPtr& layer : model->layers()) layers.push_back(layer->name());
  EXPECT_EQ(layers, (std::vector<std::string>{"x", "add_1"}));
  EXPECT_THROW((void)model->get_layer("add_2"), ValueError);
  EXPECT_TRUE(model->variables().empty());
}

TEST_F(Operations, ThatCannotBeAreRefusedByName) {
  const auto x = input({2, 4, 3}), y = input({2, 5}), n = input({2, 4}, "int32");
  expect_refused([&] { return x + y; }, "add'", "Cannot broadcast shape");
  expect_refused([&] { return ops::mean(x, 3); }, "mean'", "axis 3 is out of bounds");
  expect_refused(
      [&] {
        return ops::reshape(ops::get_item(x, {0}), {5, -1});
      },
      "reshape'", "cannot by divided");
  expect_refused([&] { return ops::reshape(x, {-1, -1}); }, "reshape", "at most one unknown");
  expect_refused(
      [&] {
        return ops::transpose(x, std::vector<std::int64_t>{0, 1});
      },
      "transpose'", "expected 3");
  expect_refused(
      [&] {
        return ops::transpose(x, std::vector<std::int64_t>{0, 1, 1});
      },
      "transpose", "duplicates");
  expect_refused([&] { return ops::squeeze(x, 1); }, "squeeze'", "Cannot squeeze axis 1");
  expect_refused([&] { return ops::expand_dims(x, 5); }, "expand_dims'", "out of bounds");
  expect_refused([&] { return ops::concatenate({x, y}, 1); }, "concatenate'", "(None, 5)");
  expect_refused([&] { return ops::stack({x, y}); }, "stack'", "(None, 5)");
  expect_refused([&] { return ops::matmul(x, x); }, "matmul'", "Inner dimensions");
  expect_refused([&] { return ops::get_item(x, {Slice{}, 4}); }, "get_item", "out-of-bounds");
  expect_refused([&] { return ops::get_item(y, {0, 0, 0}); }, "get_item", "to many indices");
  expect_refused([&] { return ops::take(x, 9, 1); }, "take'", "index 9 is out of bounds");
  expect_refused([&] { return ops::relu(SymbolicTensor()); }, "relu'", "undefined tensor");
  using Unsupported = UnsupportedError;
  expect_refused<Unsupported>([&] { return ops::relu(n); }, "relu", "a tensor of integers");
  expect_refused<Unsupported>([&] { return ops::softmax(n); }, "softmax'", "integers");
  expect_refused<Unsupported>([&] { return ops::matmul(n, n); }, "matmul", "integers");
  expect_refused<Unsupported>([&] { return ops::power(n, 2); }, "power'", "integers");
  expect_refused([&] { return ops::get_item(x, {Slice{.step = 0}}); }, "get_item", "be zero");
  expect_refused([&] { return ops::mean(x, {{1, -2}}); }, "mean", "duplicate value in 'axis'");
  expect_refused([&] { return ops::softmax(x, {1, 1}); }, "softmax", "duplicate value in 'axis'");
  expect_refused([&] { return ops::squeeze(x, {{1, 1}}); }, "squeeze", "duplicate value");
  expect_refused([&] { return ops::expand_dims(x, {1, 1}); }, "expand_dims", "duplicate value");
  expect_refused([&] { return ops::split(x, 3, 1).front(); }, "split", "must be divisible");
  expect_refused([&] { return ops::unstack(x).front(); }, "unstack", "Cannot infer argument `num`");
  expect_refused([&] { return ops::pad(x, {{0, 0}, {1, 1}}); }, "pad", "must have the same length");
  expect_refused([&] { return ops::pad(x, {{0, 0}}, "edge", 1); }, "pad", "`constant_values`");
  expect_refused([&] { return ops::repeat(x, {1, 2}, 1); }, "repeat", "compatible");
  expect_refused([&] { return ops::roll(x, {1, 2}, {{1}}); }, "roll", "same number");
  expect_refused([&] { return ops::broadcast_to(x, {2, 4, 4}); }, "broadcast_to", "broadcast");
  expect_refused([&] { return ops::moveaxis(x, {0, 1}, 2); }, "moveaxis", "same number");
  expect_refused([&] { return ops::one_hot(n, 3, 2); }, "one_hot", "axis must be -1");
  expect_refused([&] { return ops::take_along_axis(x, n, 1); }, "take_along_axis",
                 "same number of dimensions");
  expect_refused([&] { return ops::einsum("bij,bjk->bik", {x, x}); }, "einsum", "do not match");
  expect_refused([&] { return ops::einsum("bij->bik", {x}); }, "einsum", "no operand has");
  expect_refused([&] { return ops::einsum("bi->b", {x}); }, "einsum", "Number of dimensions");
  expect_refused([&] { return ops::einsum("bij,bij->b", {x}); }, "einsum", "Number of operands");
  expect_refused([&] { return ops::einsum("b1j->b", {x}); }, "einsum", "Invalid `einsum`");
  expect_refused([&] { return ops::tensordot(x, y, {2}, {1}); }, "tensordot", "do not match");
  expect_refused<Unsupported>([&] { return ops::einsum("bii->bi", {x}); }, "einsum",
                              "stands twice");
  expect_refused<Unsupported>([&] { return ops::einsum("bi->b", {n}); }, "einsum", "integers");
  expect_refused<Unsupported>([&] { return ops::take(x, y, 1); }, "take", "dtype float32");
  expect_refused<Unsupported>([&] { return ops::erf(n); }, "erf", "integers");
  expect_refused<Unsupported>([&] { return ops::norm(x, 3, {{1, 2}}); }, "norm", "not one axis");
  expect_refused<Unsupported>(
      [&] {
        return ops::normalize(x, {1, 2}, 1);
      },
      "normalize", "of several axes");
  expect_refused<Unsupported>([&] { return ops::add(1, 2); }, "add", "what it is called with");
  expect_refused<Unsupported>([&] { return ops::concatenate({}); }, "concatenate",
                              "what it is called with");
}

/// x / (1 + the root of the mean of its squares) of one's own, with a layer within.
class Scaled final : public Layer {
 public:
  Scaled() : Layer({}) { dense_ = track("dense", layers::Dense({.units = 3})); }
  [[nodiscard]] std::string class_name() const override { return "Scaled"; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& inputs) override {
    const SymbolicTensor x = (*dense_)(inputs[0]);
    return {of(x)};
  }
  static SymbolicTensor of(const SymbolicTensor& x) {
    return ops::concatenate({x / (1.0 + ops::sqrt(ops::mean(ops::square(x), -1, true))),
                             ops::get_item(x, {Slice{}, Slice{.stop = 1}})},
                            -1);
  }
  LayerPtr dense_;
};

TEST_F(Operations, ComputeInTheCallOfALayerOfOnesOwn) {
  const auto x = input({5, 4});
  const auto own = std::make_shared<Scaled>();
  const SymbolicTensor y = (*own)(x);
  EXPECT_EQ(y.shape(), (Shape{kNone, 4}));
  const SymbolicTensor same = Scaled::of((*own->dense_)(x));
  const Tensor a = numbers({5, 4});
  EXPECT_TRUE(bitwise_equal(value(x, y, a), value(x, same, a)));
}

TEST_F(Operations, InTheCallOfALayerCountNoNames) {
  const auto x = layers::Input({.shape = {4}, .name = "x"});
  const SymbolicTensor y = (*std::make_shared<Scaled>())(x);
  const auto model = Functional::create(x, ops::square(y) / 2);
  (void)model->predict_on_batch(numbers({2, 4}).cast(DType::kFloat32));
  const SymbolicTensor again = ops::square(x);
  EXPECT_EQ(model->summary().find("square_1"), std::string::npos);
  EXPECT_NE(model->summary().find("square (Square)"), std::string::npos) << model->summary();
  EXPECT_NE(Functional::create(x, again)->to_json().find("square_1"), std::string::npos);
}

TEST_F(Operations, WorkOnWhatModelsWithinGive) {
  const auto x = input({3, 4});
  const auto inner = Functional::create(x, 2 * x + 1);
  const auto z = input({3, 4});
  const SymbolicTensor y = ops::sum((*inner)(z - 1), -1);
  const Tensor a = numbers({3, 4});
  expect_elements(value(z, y, a), {3}, [&](const Place& place) {
    double sum = 0;
    for (std::int64_t k = 0; k < 4; ++k) sum += 2 * (at(a, {place[0], k}) - 1) + 1;
    return sum;
  });
}

// Whatever an operation does, even nothing: no layer of Keras's is there to carry a mask.
TEST_F(Operations, EndTheMasksOfWhatTheyAreGiven) {
  const Tensor ids = Tensor::from<std::int32_t>({1, 2, 0, 0, 3, 0, 0, 0}, {2, 4});
  const auto pooled = [&](const std::function<SymbolicTensor(const SymbolicTensor&)>& between) {
    const auto x = layers::Input({.shape = {4}, .dtype = "int32"});
    const auto words = layers::Embedding({.input_dim = 4, .output_dim = 3, .mask_zero = true});
    const auto model = Functional::create(x, layers::GlobalAveragePooling1D()(between(words(x))));
    model->variables()[0]->assign(
        Tensor::from<float>({9, 9, 9, 1, 2, 3, 4, 5, 6, 7, 8, 0}, {4, 3}));
    return model->predict_on_batch(ids);
  };
  const Tensor masked = pooled([](const SymbolicTensor& x) { return x; });
  EXPECT_FLOAT_EQ(masked.data<float>()[0], 2.5F);
  using X = const SymbolicTensor&;
  for (const auto& between : std::vector<std::function<SymbolicTensor(X)>>{
           [](X x) { return 1.0 * x; }, [](X x) { return ops::cast(x, DType::kFloat32); },
           [](X x) {
             return ops::reshape(x, {-1, 4, 3});
           },
           [](X x) { return ops::concatenate({x}, 1); },
           [](X x) { return ops::get_item(x, {Slice{}}); }}) {
    EXPECT_FLOAT_EQ(pooled(between).data<float>()[0], (1 + 4 + 9 + 9) / 4.0F);
  }
}

}  // namespace
}  // namespace lamina

// EinsumDense against sums written out, for random equations; and what it refuses.
#include <gtest/gtest.h>
#include <lamina/error.h>
#include <lamina/layers.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <random>

#include "tests/fresh_seed.h"
#include "tests/layers/execute.h"
#include "tests/random_choice.h"

using namespace lamina;

namespace {

using Random = std::mt19937;
using Sizes = std::map<char, std::int64_t>;
using Index = std::map<char, std::int64_t>;

Shape shape_of(const std::string& letters, const Sizes& sizes) {
  Shape shape;
  for (const char letter : letters) shape.push_back(sizes.at(letter));
  return shape;
}

std::size_t place(const std::string& letters, const Sizes& sizes, const Index& index) {
  std::int64_t at = 0;
  for (const char letter : letters) at = at * sizes.at(letter) + index.at(letter);
  return static_cast<std::size_t>(at);
}

/// Calls f with every index of these letters.
void for_each_index(const std::string& letters, const Sizes& sizes, Index index,
                    const std::function<void(const Index&)>& f) {
  if (letters.empty()) return f(index);
  for (std::int64_t i = 0; i < sizes.at(letters[0]); ++i) {
    index[letters[0]] = i;
    for_each_index(letters.substr(1), sizes, index, f);
  }
}

Tensor random_tensor(const Shape& shape, Random& random) {
  std::normal_distribution<double> normal;
  Tensor values = Tensor::empty(shape, DType::kFloat64);
  for (double& value : values.data<double>()) value = normal(random);
  return values;
}

struct Equation {
  std::string input, kernel, output, bias;
  Sizes sizes;
  [[nodiscard]] std::string text() const { return input + "," + kernel + "->" + output; }
};

/// 'a' is the batch; each other letter plays one of the parts that there are.
Equation random_equation(Random& random) {
  Equation equation;
  const auto add = [&](std::string& operand, char letter) { operand += letter; };
  add(equation.input, 'a');
  add(equation.output, 'a');
  equation.sizes['a'] = test::pick(random, 1, 3);
  for (char letter = 'b'; letter < 'h'; ++letter) {
    equation.sizes[letter] = test::pick(random, 1, 3);
    switch (test::pick(random, 0, 4)) {
      case 0:  // a product for each index
        add(equation.input, letter);
        add(equation.kernel, letter);
        add(equation.output, letter);
        break;
      case 1:  // a row
        add(equation.input, letter);
        add(equation.output, letter);
        break;
      case 2:  // summed over with the input alone
        if (test::pick(random, 0, 2) == 0) add(equation.input, letter);
        break;
      case 3:  // summed over
        add(equation.input, letter);
        add(equation.kernel, letter);
        break;
      default:  // a column
        add(equation.kernel, letter);
        add(equation.output, letter);
        break;
    }
  }
  if (equation.kernel.empty()) {
    add(equation.kernel, 'z');
    add(equation.output, 'z');
    equation.sizes['z'] = 2;
  }
  std::shuffle(equation.input.begin() + 1, equation.input.end(), random);
  std::shuffle(equation.kernel.begin(), equation.kernel.end(), random);
  std::shuffle(equation.output.begin() + 1, equation.output.end(), random);
  for (const char letter : equation.output) {
    if (letter != 'a' && test::pick(random, 0, 1) == 0) equation.bias += letter;
  }
  return equation;
}

std::vector<double> written_out(const Equation& equation, const Tensor& x, const Tensor& kernel,
                                const Tensor& bias) {
  std::string letters;
  for (const auto& [letter, size] : equation.sizes) {
    const bool used = (equation.input + equation.kernel).find(letter) != std::string::npos;
    if (used) letters += letter;
  }
  std::vector<double> sums(
      static_cast<std::size_t>(shape_of(equation.output, equation.sizes).size()), 0);
  for_each_index(letters, equation.sizes, {}, [&](const Index& index) {
    sums[place(equation.output, equation.sizes, index)] +=
        x.data<double>()[place(equation.input, equation.sizes, index)] *
        kernel.data<double>()[place(equation.kernel, equation.sizes, index)];
  });
  if (equation.bias.empty()) return sums;
  for_each_index(equation.output, equation.sizes, {}, [&](const Index& index) {
    std::string in_order;
    for (const char letter : equation.output) {
      if (equation.bias.find(letter) != std::string::npos) in_order += letter;
    }
    sums[place(equation.output, equation.sizes, index)] +=
        bias.data<double>()[place(in_order, equation.sizes, index)];
  });
  return sums;
}

std::string refusal(const layers::EinsumDenseOptions& options, const Shape& input) {
  try {
    layers::EinsumDense(options)->build({input});
    return "nothing was thrown";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

TEST(EinsumDense, ComputesWhatItsEquationSays) {
  const unsigned seed = test::fresh_seed();
  SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int i = 0; i < 200; ++i) {
    const Equation equation = random_equation(random);
    SCOPED_TRACE(equation.text() + " bias " + equation.bias);
    const Shape output = shape_of(equation.output, equation.sizes);
    const LayerRef layer = layers::EinsumDense(
        {.equation = equation.text(),
         .output_shape = Shape(std::vector<std::int64_t>(output.begin() + 1, output.end())),
         .bias_axes = equation.bias,
         .dtype = "float64"});
    const Tensor x = random_tensor(shape_of(equation.input, equation.sizes), random);
    layer->build({x.shape()});
    for (const VariablePtr& variable : layer->own_variables()) {
      variable->assign(random_tensor(variable->shape(), random));
    }
    ASSERT_EQ(layer->own_variables().size(), equation.bias.empty() ? 1U : 2U);
    ASSERT_EQ(layer->own_variables()[0]->shape(), shape_of(equation.kernel, equation.sizes));
    const Tensor kernel = layer->own_variables()[0]->value();
    const Tensor bias = equation.bias.empty() ? Tensor() : layer->own_variables()[1]->value();
    EXPECT_EQ(layer->compute_output_shape({x.shape()})[0], output);
    const Tensor y = lamina::testing::execute(*layer, {x})[0];
    ASSERT_EQ(y.shape(), output);
    const std::vector<double> wanted = written_out(equation, x, kernel, bias);
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      ASSERT_NEAR(y.data<double>()[k], wanted[k], 1e-12 * (1 + std::fabs(wanted[k]))) << k;
    }
  }
}

TEST(EinsumDense, LeavesAxesOpenBehindAnEllipsis) {
  const LayerRef front = layers::EinsumDense({.equation = "...x,xy->...y", .output_shape = {3}});
  EXPECT_EQ(front->compute_output_shape({{kNone, 4}})[0], (Shape{kNone, 3}));
  EXPECT_EQ(front->compute_output_shape({{kNone, 7, 5, 4}})[0], (Shape{kNone, 7, 5, 3}));
  const LayerRef back =
      layers::EinsumDense({.equation = "ab...,bc->ac...", .output_shape = {3}, .bias_axes = "c"});
  EXPECT_EQ(back->compute_output_shape({{kNone, 4, 7, 5}})[0], (Shape{kNone, 3, 7, 5}));
  back->build({{kNone, 4, 7, 5}});
  EXPECT_EQ(back->own_variables()[0]->shape(), (Shape{4, 3}));
  EXPECT_EQ(back->own_variables()[1]->shape(), (Shape{3, 1, 1}));
}

TEST(EinsumDense, RefusesSizesThatTurnOutNotToBeTheKernels) {
  const LayerRef layer =
      layers::EinsumDense({.equation = "abc,bcd->abd", .output_shape = {3, 5}, .name = "each"});
  layer->build({{kNone, kNone, 4}});
  EXPECT_EQ(lamina::testing::execute(*layer, {Tensor::zeros({2, 3, 4})})[0].shape(),
            (Shape{2, 3, 5}));
  try {
    (void)lamina::testing::execute(*layer, {Tensor::zeros({2, 6, 4})});
    ADD_FAILURE() << "nothing was thrown";
  } catch (const ValueError& error) {
    EXPECT_NE(
        std::string(error.what())
            .find("Layer 'each' (EinsumDense): The kernel of shape (3, 4, 5) does not suit an "
                  "input of shape (2, 6, 4)"),
        std::string::npos)
        << error.what();
  }
}

TEST(EinsumDense, RefusesWhatDoesNotFitInKerasWords) {
  const auto expect = [](const layers::EinsumDenseOptions& options, const Shape& input,
                         const char* words) {
    const std::string text = refusal(options, input);
    EXPECT_NE(text.find(words), std::string::npos) << text;
    EXPECT_NE(text.find("'sum' (EinsumDense)"), std::string::npos) << text;
  };
  const auto with = [](const char* equation, Shape output, const char* bias = "") {
    return layers::EinsumDenseOptions{
        .equation = equation, .output_shape = std::move(output), .bias_axes = bias, .name = "sum"};
  };
  for (const char* equation : {"", "ab", "ab,bc", "ab->ac", "ab,bc->", ",bc->ac", "ab,b c->ac",
                               "...ab,bc->ac", "ab...,bc->...ac", "...ab...,bc->...ac...",
                               "ab,...bc->ac", "ab,bc->ac->ac", "ab,bc,cd->ad", "a.b,bc->ac"}) {
    expect(with(equation, {3}), {2, 4}, "Invalid einsum equation");
  }
  expect(with(std::string(100000, 'a').append(",b->c").c_str(), {3}), {2, 4},
         "names an axis twice");
  expect(with("aab,bc->ac", {3}), {2, 2, 4}, "names an axis twice");
  expect(with("abc,cd->abd", {3, 3}), {2, 4}, "does not suit an input of 2 axes");
  expect(with("ab,bc->ac", {3, 4}), {2, 4}, "`output_shape` (3, 4) does not suit");
  expect(with("abc,cd->abd", {5, 3}), {2, 4, 6}, "do not match at shared dimension 'b'");
  expect(with("ab,bc->ad", {3}), {2, 4}, "Dimension 'd' was specified in the output 'ad'");
  expect(with("ab,bcd->ac", {3}), {2, 4}, "Weight dimension 'd' did not have a match");
  expect(with("ab,bc->ac", {3}, "b"), {2, 4}, "Bias dimension 'b' was requested");
  expect(with("ab,bc->ac", {kNone}), {2, 4}, "must be fully-defined");
  expect(with("ab,bc->ac", {0}), {2, 4}, "invalid value for `output_shape`");
  expect(with("ab,bc->ac", {-3}), {2, 4}, "invalid value for `output_shape`");
}

// Every operation's gradients against central differences in float64, with fresh random values.
#include <cmath>
#include <functional>

#include "tests/training/graph/gradient_check.h"

namespace lamina::training {
namespace {

using namespace testkit;
using ops::Slice;

SymbolicTensor input(const Shape& shape) {
  return layers::Input({.dtype = "float64", .batch_shape = shape});
}

class GradientOfAnOperation : public ::testing::Test {
 protected:
  void SetUp() override { set_dtype_policy("float64"); }
  void TearDown() override {
    set_dtype_policy("float32");
    if (HasFailure()) std::printf("%s\n", seeded.note().c_str());
  }

  /// Between 0.3 and 3, of both signs unless `positive`: away from kinks and poles at 0.
  Tensor numbers(const Shape& shape, bool positive) {
    Tensor out = random_normal(shape, DType::kFloat64, random);
    for (double& value : out.data<double>()) {
      const double size = 0.3 + std::fmod(std::abs(value), 2.7);
      value = positive ? size : std::copysign(size, value);
    }
    return out;
  }
  void expect(const std::function<SymbolicTensor(const SymbolicTensor&)>& make,
              bool positive = false) {
    const Shape shape{3, 4, 2};
    const auto x = input(shape);
    expect_gradients(*Functional::create(x, make(x)), {numbers(shape, positive)}, random);
  }
  void expect_of_two(
      const std::function<SymbolicTensor(const SymbolicTensor&, const SymbolicTensor&)>& make,
      const Shape& first, const Shape& second) {
    const auto x = input(first), y = input(second);
    expect_gradients(*Functional::create({x, y}, SymbolicTensors{make(x, y)}),
                     {numbers(first, false), numbers(second, false)}, random);
  }

  Seeded seeded;
  Random& random = *seeded;
};

using X = const SymbolicTensor&;

TEST_F(GradientOfAnOperation, OfTwoOperandsThatBroadcast) {
  const std::vector<
      std::pair<const char*, SymbolicTensor (*)(const ops::Operand&, const ops::Operand&)>>
      operations{{"add", ops::add},       {"subtract", ops::subtract}, {"multiply", ops::multiply},
                 {"divide", ops::divide}, {"maximum", ops::maximum},   {"minimum", ops::minimum}};
  for (const auto& [name, operation] : operations) {
    SCOPED_TRACE(name);
    for (const Shape& other : {Shape{3, 4, 2}, Shape{3, 1, 2}, Shape{3, 4, 1}}) {
      expect_of_two(operation, {3, 4, 2}, other);
    }
    const auto of = operation;  // no structured binding in a lambda
    expect([of](X x) { return of(x, 1.7); });
    expect([of](X x) { return of(-2, x); });
  }
}

TEST_F(GradientOfAnOperation, OfOneTensor) {
  const std::vector<std::pair<const char*, SymbolicTensor (*)(X)>> everywhere{
      {"absolute", ops::absolute},
      {"negative", ops::negative},
      {"square", ops::square},
      {"exp", ops::exp},
      {"expm1", ops::expm1},
      {"sin", ops::sin},
      {"cos", ops::cos},
      {"tanh", ops::tanh},
      {"relu", ops::relu},
      {"relu6", ops::relu6},
      {"selu", ops::selu},
      {"sigmoid", ops::sigmoid},
      {"silu", ops::silu},
      {"hard_silu", ops::hard_silu},
      {"softplus", ops::softplus},
      {"softsign", ops::softsign},
      {"log_sigmoid", ops::log_sigmoid},
      {"erf", ops::erf},
      {"arctan", ops::arctan},
      {"arcsinh", ops::arcsinh},
      {"cbrt", ops::cbrt},
      {"exp2", ops::exp2},
      {"erfc", ops::erfc},
      {"sinc", ops::sinc},
      {"sinh", ops::sinh},
      {"cosh", ops::cosh},
      {"hard_tanh", ops::hard_tanh},
      {"tanh_shrink", ops::tanh_shrink},
      {"reciprocal", ops::reciprocal}};
  for (const auto& [name, operation] : everywhere) {
    SCOPED_TRACE(name);
    expect(operation);
  }
  const std::vector<std::pair<const char*, SymbolicTensor (*)(X)>> of_positives{
      {"log", ops::log},     {"log1p", ops::log1p}, {"sqrt", ops::sqrt},
      {"rsqrt", ops::rsqrt}, {"log2", ops::log2},   {"log10", ops::log10}};
  for (const auto& [name, operation] : of_positives) {
    SCOPED_TRACE(name);
    expect(operation, true);
  }
  expect([](X x) { return ops::power(x, 3); });
  expect([](X x) { return ops::power(x, -1.3); }, true);
  expect([](X x) { return ops::leaky_relu(x, 0.3); });
  expect([](X x) { return ops::elu(x, 0.7); });
  expect([](X x) { return ops::gelu(x); });
  expect([](X x) { return ops::clip(x, -1, 1.5); });
  expect([](X x) { return ops::tan(x / 3); });
  expect([](X x) { return ops::arcsin(x / 4) + ops::arccos(x / 5) * ops::arctanh(x / 4); });
  expect([](X x) { return ops::arccosh(x + 1); }, true);
  expect([](X x) { return ops::nan_to_num(ops::where(x > 0, ops::square(x), NAN), 3); });
  expect([](X x) { return ops::celu(x, 0.7); });
  expect([](X x) { return ops::squareplus(x, 3); });
  expect([](X x) { return ops::soft_shrink(x, 0.2) + ops::hard_shrink(x, 0.2); });
  expect([](X x) { return ops::threshold(x, 0.2, 5); });
  expect([](X x) { return ops::glu(x); });
  expect([](X x) { return ops::glu(x, 1); });
}

TEST_F(GradientOfAnOperation, OfPowersAndQuotientsOfTensors) {
  const Shape shape{3, 4, 2};
  const auto of_positive = [](X x, X y) { return ops::power(ops::abs(x), y); };
  for (const Shape& other : {Shape{3, 4, 2}, Shape{3, 1, 2}}) {
    expect_of_two(of_positive, shape, other);
    expect_of_two(ops::mod, shape, other);
  }
  expect([](X x) { return ops::power(2.5, x); });
  expect([](X x) { return ops::fmod(x, 0.7) + ops::fmod(10, x); });
  for (const Shape& other : {Shape{3, 4, 2}, Shape{3, 1, 2}}) {
    expect_of_two(ops::arctan2, shape, other);
    expect_of_two(ops::hypot, shape, other);
    expect_of_two(ops::logaddexp, shape, other);
    expect_of_two(ops::logaddexp2, shape, other);
    expect_of_two(ops::fmod, shape, other);
    expect_of_two(ops::fmax, shape, other);
    expect_of_two(ops::fmin, shape, other);
    expect_of_two([](X x, X y) { return x * ops::heaviside(x, y); }, shape, other);
  }
  expect([](X x) { return ops::power(x, x); }, true);
  expect([](X x) { return ops::mod(x, 0.7) + ops::mod(10, x); });
}

// As Keras has it: no slope leads over steps.
TEST_F(GradientOfAnOperation, OfNormalizationsAndAttention) {
  const auto row = [](X x, std::int64_t i) { return ops::get_item(x, {i, 0}); };
  expect([&](X x) { return ops::layer_normalization(x, row(x, 0), row(x, 1), -1, 0.1); });
  expect([](X x) { return ops::layer_normalization(x, {}, {}, {1, 2}, 0.1); });
  expect([&](X x) { return ops::rms_normalization(x, row(x, 2), 1, 0.1); });
  expect([&](X x) {
    return ops::batch_normalization(x, row(x, 0), ops::square(row(x, 1)), -1, row(x, 2), row(x, 0));
  });
  expect([](X x) {
    const auto heads = ops::reshape(x, {3, 2, 2, 2}), one = ops::reshape(x, {3, 4, 1, 2});
    const auto bias = ops::reshape(x, {3, 1, 2, 4});
    return ops::dot_product_attention(heads, one, 2 * one, bias, bias > -1, 0.4, true);
  });
}

TEST_F(GradientOfAnOperation, OfWhatIsOfPlanesAndOfProductsOfElements) {
  expect([](X x) { return ops::square(ops::rot90(x, 1, {1, 2})); });
  expect([](X x) { return ops::square(ops::diagonal(x, -1, 1, 2)) + ops::trace(x); });
  expect([](X x) { return ops::square(ops::diag(ops::get_item(x, {0}), 1)); });
  expect([](X x) { return ops::diag(ops::get_item(x, {0, Slice{}, 1}), -1); });
  expect([](X x) { return ops::square(ops::diff(x, 2, 1)); });
  expect([](X x) { return ops::square(ops::depth_to_space(ops::reshape(x, {3, 1, 2, 4}), 2)); });
  expect([](X x) { return ops::square(ops::space_to_depth(ops::reshape(x, {3, 2, 4, 1}), 2)); });
  expect_of_two([](X x, X y) { return ops::outer(x, y); }, {3, 2}, {3, 4});
  expect_of_two([](X x, X y) { return ops::kron(x, y); }, {3, 2}, {3, 4});
  expect_of_two([](X x, X y) { return ops::cross(x, y); }, {3, 3}, {3, 2});
  expect_of_two([](X x, X y) { return ops::vdot(x, y) + ops::inner(x, y); }, {3, 2}, {3, 2});
  expect_of_two([](X x, X y) { return ops::divide_no_nan(x, ops::relu(y)); }, {3, 4}, {3, 4});
  const auto with_nan = [](X x) { return ops::where(x > -1, ops::square(x), NAN); };
  expect([&](X x) { return ops::nansum(with_nan(x), 1) + ops::nanprod(with_nan(x), 1); });
  expect([&](X x) { return ops::nanmax(with_nan(x)) - ops::nanmin(with_nan(x)); });
  expect([&](X x) { return ops::nanmean(with_nan(x)) + ops::percentile(x, 40, 1); });
}

TEST_F(GradientOfAnOperation, IsNoneOfStepsAndWhereItIsStopped) {
  const auto x = input({3, 4});
  const auto kept = layers::Dense({.units = 4})(x);
  const auto model = Functional::create(
      x, kept + ops::floor(kept) + ops::ceil(kept) + ops::round(kept) + ops::sign(kept) +
             ops::stop_gradient(kept * kept) + ops::floor_divide(kept, 0.3));
  const auto plain = Functional::create(x, kept);
  randomize(*model, random);
  const std::vector<Tensor> data{random_normal({3, 4}, DType::kFloat64, random)};
  const Tensor seed = random_normal({3, 4}, DType::kFloat64, random);
  const auto gradients_of = [&](Model& each) {
    GradientTape tape(each);
    (void)tape.forward(data);
    std::vector<Tensor> gradients;
    for (const Tensor& gradient : tape.gradients({seed})) gradients.push_back(gradient.clone());
    return gradients;
  };
  const auto got = gradients_of(*model), wanted = gradients_of(*plain);
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    for (std::size_t k = 0; k < got[i].data<double>().size(); ++k) {
      EXPECT_DOUBLE_EQ(got[i].data<double>()[k], wanted[i].data<double>()[k]);
    }
  }
}

TEST_F(GradientOfAnOperation, OfReductionsAndSoftmax) {
  expect([](X x) { return ops::mean(x, 1); });
  expect([](X x) { return ops::mean(x); });
  expect([](X x) { return x * ops::sum(x, {{0, -1}}, true); });
  expect([](X x) { return ops::max(x, 1, true); });
  expect([](X x) { return ops::min(x, {{1, 2}}); });
  expect([](X x) { return ops::var(x, 1); });
  expect([](X x) { return ops::std(x, 1); });
  expect([](X x) { return ops::prod(x, {{1, 2}}); });
  expect([](X x) { return ops::logsumexp(x, {{1, 2}}, true) * ops::logsumexp(x); });
  expect([](X x) { return ops::norm(x, {}, {{1, 2}}); });
  expect([](X x) { return ops::norm(x, 3, 1); });
  expect([](X x) { return ops::norm(x, 1, -1, true); });
  expect([](X x) { return ops::normalize(x, 1); });
  expect([](X x) { return ops::normalize(x, -1, 3); });
  expect([](X x) { return ops::cumsum(x, 1); });
  expect([](X x) { return ops::cumprod(x, 1) + ops::reshape(ops::cumsum(x), {3, 4, 2}); });
  expect([](X x) { return ops::softmax(x, 1); });
  expect([](X x) { return ops::log_softmax(x, {1, 2}); });
}

TEST_F(GradientOfAnOperation, OfWhatIsSortedGoesBackWhereItCameFrom) {
  const auto weighed = [](X y) {
    return y * ops::reshape(ops::cumsum(ops::ones_like(y)), {3, 4, 2});
  };
  for (const std::int64_t axis : {0, 1, -1}) {
    expect([&](X x) { return weighed(ops::sort(x, axis)); });
  }
  expect([&](X x) { return weighed(ops::reshape(ops::sort(x, std::nullopt), {3, 4, 2})); });
  expect([](X x) {
    const SymbolicTensor best = ops::top_k(ops::swapaxes(x, 1, 2), 3)[0];
    return best * ops::get_item(best, {Slice{}, Slice{}, Slice{.stop = 1}});
  });
  expect([](X x) { return ops::median(x, 1) * ops::median(x, {{0, 1}}); });
  expect([](X x) { return x * ops::quantile(x, 0.3, 1, true) + ops::quantile(x, 0.8); });
  expect([](X x) { return ops::take_along_axis(x, ops::argsort(x, 1), 1); });
}

TEST_F(GradientOfAnOperation, OfWhatIsMovedJoinedAndTaken) {
  expect([](X x) { return ops::square(ops::reshape(x, {2, -1})); });
  expect([](X x) { return ops::transpose(x) * ops::transpose(x); });
  expect([](X x) { return ops::swapaxes(x, 0, 2); });
  expect([](X x) { return ops::expand_dims(x, 1) * ops::expand_dims(x, 2); });
  expect([](X x) { return ops::squeeze(ops::max(x, 1, true)); });
  expect([](X x) { return ops::concatenate({x, ops::exp(x), x}, 1); });
  expect([](X x) { return ops::stack({x, ops::square(x)}, -1); });
  expect([](X x) { return ops::hstack({x, ops::square(x)}); });
  expect([](X x) { return ops::vstack({x, ops::square(x)}); });
  expect([](X x) { return ops::fliplr(x) * ops::flipud(x) * ops::rad2deg(ops::deg2rad(x)); });
  expect([](X x) { return ops::ptp(x, 1); });
  expect([](X x) { return ops::get_item(x, {Slice{}, Slice{.start = 1, .step = 2}, -1}); });
  expect([](X x) { return ops::get_item(x, {Slice{}, -1}) * ops::get_item(x, {Slice{}, 0}); });
  expect([](X x) { return ops::take(x, {3, 0, 3}, 1); });
  expect([](X x) { return ops::get_item(x, {Slice{}, Slice{.step = -2}, Slice{.step = -1}}); });
  expect([](X x) { return ops::flip(x, 1) * ops::roll(x, 3, {{1}}) * ops::roll(x, 5); });
  expect([](X x) { return ops::moveaxis(x, 1, -1) * ops::reshape(ops::ravel(x), {3, 2, 4}); });
  expect([](X x) { return ops::tile(ops::square(x), {1, 2, 3}); });
  expect([](X x) { return ops::square(ops::repeat(x, {2, 0, 1, 3}, 1)); });
  expect([](X x) { return ops::square(ops::repeat(x, 3, -1)); });
}

TEST_F(GradientOfAnOperation, OfWhatIsSplitPaddedAndChosen) {
  expect([](X x) {
    const SymbolicTensors parts = ops::split(x, {1, 2}, 1);
    return parts[0] * parts[2] + parts[1];
  });
  expect([](X x) {
    const SymbolicTensors rows = ops::unstack(x, {}, 1);
    return rows[3] * rows[0];
  });
  for (const char* mode : {"constant", "edge", "reflect", "symmetric"}) {
    expect([mode](X x) { return ops::square(ops::pad(x, {{0, 0}, {3, 2}, {1, 1}}, mode)); });
  }
  expect([](X x) { return ops::tril(x) * ops::triu(x, -1); });
  expect([](X x) { return ops::broadcast_to(ops::get_item(x, {0}), {5, 4, 2}); });
  // Indices that the values themselves give, some of them twice.
  expect([](X x) { return ops::take(x, ops::argmax(x, 1), 1); });
  expect([](X x) { return ops::take(x, ops::argmin(x, -1)); });
  expect([](X x) { return ops::take_along_axis(x, ops::argmax(x, 1, true), 1); });
  expect([](X x) { return x * ops::one_hot(ops::argmax(x, -1), 2, -1, DType::kFloat64); });
}

TEST_F(GradientOfAnOperation, OfSumsOfProducts) {
  const auto of = [](const char* subscripts) {
    return [subscripts](X x, X y) { return ops::einsum(subscripts, {x, y}); };
  };
  expect_of_two(of("bij,bjk->bik"), {3, 4, 2}, {3, 2, 5});
  expect_of_two(of("bij,bkj->kb"), {3, 4, 2}, {3, 5, 2});
  expect_of_two(of("...i,...j->...ji"), {3, 4, 2}, {3, 1, 5});
  expect_of_two(of("bij,bij->bij"), {3, 4, 2}, {3, 4, 1});
  expect_of_two([](X x, X y) { return ops::einsum("bi,bj,bi->ij", {x, y, x}); }, {3, 4}, {3, 2});
  expect_of_two(ops::dot, {3, 4, 2}, {3, 2, 5});
  expect_of_two(
      [](X x, X y) {
        return ops::tensordot(x, y, {0, 2}, {0, 1});
      },
      {3, 4, 2}, {3, 2, 5});
  expect([](X x) { return ops::einsum("bij->ji", {x}); });
}

TEST_F(GradientOfAnOperation, OfProductsOfMatrices) {
  expect_of_two(ops::matmul, {3, 4, 2}, {3, 2, 5});
  expect_of_two(ops::matmul, {2, 3, 4, 2}, {2, 1, 2, 5});
  expect_of_two(ops::matmul, {3, 4, 2}, {3, 3, 2, 5});
  expect([](X x) { return ops::matmul(x, ops::transpose(ops::get_item(x, {0}))); });
  expect([](X x) { return ops::matmul(x, ops::get_item(x, {0, 1})); });
}

TEST_F(GradientOfAnOperation, GoesWhereAConditionChose) {
  expect([](X x) { return ops::where(x > 0.5, ops::square(x), -x); });
  expect([](X x) { return ops::where(x > 0, x, 0.5) * ops::cast(x > 0, DType::kFloat64); });
  expect_of_two([](X x, X y) { return ops::where(x > y, x, y); }, {3, 4}, {3, 1});
}

TEST_F(GradientOfAnOperation, ReachesTheVariablesBeforeAndBehindIt) {
  const auto x = input({4, 6});
  const auto h = layers::Dense({.units = 5})(x);
  const auto normed = h / ops::sqrt(ops::mean(ops::square(h), -1, true) + 1e-3);
  const auto gate = ops::sigmoid(layers::Dense({.units = 5})(normed));
  const auto model = Functional::create(x, layers::Dense({.units = 2})(gate * normed + (1 - gate)));
  randomize(*model, random);
  expect_gradients(*model, {random_normal({4, 6}, DType::kFloat64, random)}, random);
}

}  // namespace
}  // namespace lamina::training

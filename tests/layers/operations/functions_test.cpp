// Functions of one tensor, element by element.
#include <functional>

#include "tests/layers/operations/elements.h"

namespace lamina {
namespace {

using test::at;
using test::expect_elements;
using test::Place;

class FunctionsOfOne : public test::OperationTest {};

struct OfOne {
  const char* name;
  std::function<SymbolicTensor(const SymbolicTensor&)> make;
  std::function<double(double)> wanted;
  double low = -3, high = 3;
};

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}
double relu(double x, double slope = 0) {
  return x > 0 ? x : slope * x;
}
double hard_sigmoid(double x) {
  return std::min(1.0, std::max(0.0, x / 6 + 0.5));
}
double gelu(double x) {
  return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
}
double gelu_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}
double selu(double x) {
  return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * std::expm1(x));
}

const std::vector<OfOne>& of_one() {
  using X = const SymbolicTensor&;
  const auto f = [](double (*function)(double)) { return function; };
  static const std::vector<OfOne> all{
      {"absolute", [](X x) { return ops::absolute(x); }, f(std::fabs)},
      {"abs", [](X x) { return ops::abs(x); }, f(std::fabs)},
      {"negative", [](X x) { return -x; }, [](double x) { return -x; }},
      {"square", [](X x) { return ops::square(x); }, [](double x) { return x * x; }},
      {"exp", [](X x) { return ops::exp(x); }, f(std::exp)},
      {"expm1", [](X x) { return ops::expm1(x); }, f(std::expm1)},
      {"log", [](X x) { return ops::log(x); }, f(std::log), 0.1, 9},
      {"log1p", [](X x) { return ops::log1p(x); }, f(std::log1p), -0.9, 9},
      {"sqrt", [](X x) { return ops::sqrt(x); }, f(std::sqrt), 0, 9},
      {"sqrt of negative numbers", [](X x) { return ops::sqrt(x); }, f(std::sqrt), -9, -1},
      {"rsqrt", [](X x) { return ops::rsqrt(x); }, [](double x) { return 1 / std::sqrt(x); }, 0.1,
       9},
      {"sin", [](X x) { return ops::sin(x); }, f(std::sin)},
      {"cos", [](X x) { return ops::cos(x); }, f(std::cos)},
      {"tanh", [](X x) { return ops::tanh(x); }, f(std::tanh)},
      {"tan", [](X x) { return ops::tan(x); }, f(std::tan), -1.3, 1.3},
      {"arctan", [](X x) { return ops::arctan(x); }, f(std::atan)},
      {"arcsin", [](X x) { return ops::arcsin(x); }, f(std::asin), -1, 1},
      {"arccos", [](X x) { return ops::arccos(x); }, f(std::acos), -1, 1},
      {"arcsinh", [](X x) { return ops::arcsinh(x); }, f(std::asinh)},
      {"arccosh", [](X x) { return ops::arccosh(x); }, f(std::acosh), 1.01, 9},
      {"arccosh of small numbers", [](X x) { return ops::arccosh(x); }, f(std::acosh), -9, 0.9},
      {"arctanh", [](X x) { return ops::arctanh(x); }, f(std::atanh), -0.9, 0.9},
      {"cbrt", [](X x) { return ops::cbrt(x); }, f(std::cbrt)},
      {"exp2", [](X x) { return ops::exp2(x); }, f(std::exp2)},
      {"erfc", [](X x) { return ops::erfc(x); }, f(std::erfc)},
      {"sinc", [](X x) { return ops::sinc(x); },
       [](double x) { return x == 0 ? 1 : std::sin(M_PI * x) / (M_PI * x); }},
      {"nan_to_num", [](X x) { return ops::nan_to_num(x); }, [](double x) { return x; }},
      {"sinh", [](X x) { return ops::sinh(x); }, f(std::sinh)},
      {"cosh", [](X x) { return ops::cosh(x); }, f(std::cosh)},
      {"erf", [](X x) { return ops::erf(x); }, f(std::erf)},
      {"floor", [](X x) { return ops::floor(x); }, f(std::floor)},
      {"ceil", [](X x) { return ops::ceil(x); }, f(std::ceil)},
      {"round", [](X x) { return ops::round(x); }, f(std::nearbyint)},
      {"sign", [](X x) { return ops::sign(x); }, [](double x) { return x > 0 ? 1.0 : -1.0; }},
      {"log2", [](X x) { return ops::log2(x); }, f(std::log2), 0.1, 9},
      {"log10", [](X x) { return ops::log10(x); }, f(std::log10), 0.1, 9},
      {"reciprocal", [](X x) { return ops::reciprocal(x); }, [](double x) { return 1 / x; }, 0.1,
       9},
      {"deg2rad", [](X x) { return ops::deg2rad(x); }, [](double x) { return x * M_PI / 180; }},
      {"rad2deg", [](X x) { return ops::rad2deg(x); }, [](double x) { return x * 180 / M_PI; }},
      {"stop_gradient", [](X x) { return ops::stop_gradient(x); }, [](double x) { return x; }},
      {"full_like", [](X x) { return ops::full_like(x, 2.5); }, [](double) { return 2.5; }},
      {"celu", [](X x) { return ops::celu(x, 0.7); },
       [](double x) { return x > 0 ? x : 0.7 * std::expm1(x / 0.7); }},
      {"hard_tanh", [](X x) { return ops::hard_tanh(x); },
       [](double x) { return std::min(1.0, std::max(-1.0, x)); }},
      {"tanh_shrink", [](X x) { return ops::tanh_shrink(x); },
       [](double x) { return x - std::tanh(x); }},
      {"hard_shrink", [](X x) { return ops::hard_shrink(x); },
       [](double x) { return std::fabs(x) > 0.5 ? x : 0; }},
      {"soft_shrink", [](X x) { return ops::soft_shrink(x, 0.8); },
       [](double x) { return std::fabs(x) > 0.8 ? x - std::copysign(0.8, x) : 0; }},
      {"squareplus", [](X x) { return ops::squareplus(x, 3); },
       [](double x) { return (x + std::sqrt(x * x + 3)) / 2; }},
      {"threshold", [](X x) { return ops::threshold(x, 0.5, -7); },
       [](double x) { return x > 0.5 ? x : -7; }},
      {"power 2", [](X x) { return ops::power(x, 2); }, [](double x) { return x * x; }},
      {"power 3", [](X x) { return ops::power(x, 3); }, [](double x) { return x * x * x; }},
      {"power -0.7", [](X x) { return ops::power(x, -0.7); },
       [](double x) { return std::pow(x, -0.7); }, 0.1, 9},
      {"clip", [](X x) { return ops::clip(x, -1, 0.5); },
       [](double x) { return std::min(0.5, std::max(-1.0, x)); }},
      {"relu", [](X x) { return ops::relu(x); }, [](double x) { return relu(x); }},
      {"relu6", [](X x) { return ops::relu6(x); }, [](double x) { return std::min(6.0, relu(x)); },
       -9, 9},
      {"leaky_relu", [](X x) { return ops::leaky_relu(x); }, [](double x) { return relu(x, 0.2); }},
      {"leaky_relu 0.3", [](X x) { return ops::leaky_relu(x, 0.3); },
       [](double x) { return relu(x, 0.3); }},
      {"elu", [](X x) { return ops::elu(x); }, [](double x) { return x > 0 ? x : std::expm1(x); }},
      {"elu 0.5", [](X x) { return ops::elu(x, 0.5); },
       [](double x) { return x > 0 ? x : 0.5 * std::expm1(x); }},
      {"selu", [](X x) { return ops::selu(x); }, selu},
      {"gelu", [](X x) { return ops::gelu(x); }, gelu_tanh},
      {"gelu exact", [](X x) { return ops::gelu(x, false); }, gelu},
      {"sigmoid", [](X x) { return ops::sigmoid(x); }, sigmoid},
      {"log_sigmoid", [](X x) { return ops::log_sigmoid(x); },
       [](double x) { return std::log(sigmoid(x)); }},
      {"hard_sigmoid", [](X x) { return ops::hard_sigmoid(x); }, hard_sigmoid, -5, 5},
      {"silu", [](X x) { return ops::silu(x); }, [](double x) { return x * sigmoid(x); }},
      {"swish", [](X x) { return ops::swish(x); }, [](double x) { return x * sigmoid(x); }},
      {"hard_silu", [](X x) { return ops::hard_silu(x); },
       [](double x) { return x * hard_sigmoid(x); }, -5, 5},
      {"hard_swish", [](X x) { return ops::hard_swish(x); },
       [](double x) { return x * hard_sigmoid(x); }, -5, 5},
      {"softplus", [](X x) { return ops::softplus(x); },
       [](double x) { return std::log1p(std::exp(x)); }},
      {"softsign", [](X x) { return ops::softsign(x); },
       [](double x) { return x / (1 + std::fabs(x)); }},
      {"zeros_like", [](X x) { return ops::zeros_like(x); }, [](double) { return 0.0; }},
      {"ones_like", [](X x) { return ops::ones_like(x); }, [](double) { return 1.0; }}};
  return all;
}

TEST_F(FunctionsOfOne, HaveTheValuesOfTheirFormulas) {
  for (const OfOne& each : of_one()) {
    SCOPED_TRACE(each.name);
    const auto x = input({3, 5, 2});
    const Tensor a = numbers({3, 5, 2}, each.low, each.high);
    expect_elements(
        value(x, each.make(x), a), {3, 5, 2},
        [&](const Place& place) { return each.wanted(at(a, place)); }, 2e-5);
  }
}

}  // namespace
}  // namespace lamina

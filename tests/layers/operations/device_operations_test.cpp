// Operations on a device, as the CPU computes them. Also a part of test_gpu.
#include <functional>

#include "tests/device_rounding.h"
#include "tests/fakes/tested_gpu.h"
#include "tests/layers/operations/elements.h"

namespace lamina {
namespace {

class DeviceOperations : public test::OperationTest {
 protected:
  /// A model of a layer, whose weights go to the device, and of what is made of that.
  void expect_alike(const std::function<SymbolicTensor(const SymbolicTensor&)>& make) {
    const testing::TestedGpu gpu({.seed = test::fresh_seed()});
    const auto x = input({3, 4, 2});
    const auto model = Functional::create(x, make(layers::Dense({.units = 6})(x)));
    const Tensor a = numbers({3, 4, 2}).cast(DType::kFloat32);
    const Tensor here = model->predict_on_batch(a);
    model->to(Device::cuda(0));
    test::expect_within(model->predict_on_batch(a), here, test::roundings::kFloat32.layer);
    gpu.expect_order();
  }
};

using X = const SymbolicTensor&;

TEST_F(DeviceOperations, HaveTheValuesThatTheCpuGives) {
  LAMINA_NEED_TESTED_GPU();
  expect_alike([](X x) { return (2 * x + 1) / (1.5 + ops::abs(x)) - ops::maximum(x, 0.1); });
  expect_alike([](X x) { return ops::sqrt(ops::square(x) + 0.5) * ops::sin(x) + ops::cos(x); });
  expect_alike([](X x) { return ops::log(ops::exp(x) + 1) + ops::expm1(x) * ops::log1p(x * x); });
  expect_alike([](X x) { return ops::rsqrt(1 + x * x) + ops::power(ops::abs(x) + 0.5, 0.7); });
  expect_alike([](X x) { return ops::where(x > 0.2, x, ops::cast(x <= -0.2, DType::kFloat32)); });
  expect_alike([](X x) { return ops::softmax(x - ops::mean(x, 1, true)); });
  expect_alike([](X x) { return ops::concatenate({ops::min(x, 1), ops::var(x, 1)}, -1); });
  expect_alike([](X x) { return ops::matmul(x, ops::swapaxes(x, 1, 2)); });
  expect_alike([](X x) { return ops::get_item(x, {ops::Slice{}, ops::Slice{.step = 2}, -1}); });
  expect_alike([](X x) { return ops::get_item(x, {ops::Slice{}, ops::Slice{.step = -1}}); });
  expect_alike([](X x) { return ops::take(x, ops::argmax(x, 1), 1); });
  expect_alike([](X x) { return ops::take_along_axis(x, ops::argmin(x, 1, true), 1); });
  expect_alike([](X x) { return ops::one_hot(ops::argmax(x), 72) + ops::sign(ops::sum(x)); });
  expect_alike([](X x) { return ops::einsum("bij,bkj->bik", {x, x}) / 4; });
  expect_alike([](X x) { return ops::power(ops::abs(x) + 0.5, ops::tanh(x)) + ops::erf(x); });
  expect_alike([](X x) { return ops::cumsum(x, 1) + ops::arctan(x) + ops::sinh(ops::tanh(x)); });
  expect_alike([](X x) { return ops::logsumexp(x, -1, true) + ops::normalize(x) + ops::prod(x); });
  expect_alike([](X x) { return ops::sort(x, 1) - ops::median(x, -1, true); });
  expect_alike([](X x) { return ops::top_k(x, 4)[0] + ops::quantile(x, 0.3); });
  expect_alike([](X x) { return ops::cast(ops::argsort(ops::floor(x), 1), DType::kFloat32); });
  expect_alike([](X x) { return ops::arctan2(x, 0.5) + ops::arcsinh(x) * ops::cbrt(x); });
  expect_alike(
      [](X x) { return ops::logaddexp(x, -x) + ops::arcsin(ops::tanh(x)) + ops::sinc(x); });
  expect_alike([](X x) { return ops::fmax(ops::hypot(x, x), ops::erfc(x)) + ops::exp2(x); });
  expect_alike([](X x) { return ops::layer_normalization(x) + ops::rms_normalization(x, {}, 1); });
  expect_alike([](X x) {
    const auto mean = ops::get_item(x, {0, 0}), variance = ops::square(mean) + 1;
    return ops::batch_normalization(x, mean, variance, -1, mean, variance);
  });
  expect_alike([](X x) {
    const auto q = ops::reshape(x, {-1, 4, 3, 2}), k = ops::reshape(x, {-1, 12, 1, 2});
    return ops::dot_product_attention(q, k, 2 * k, {}, {}, 0.4, true);
  });
  expect_alike([](X x) { return ops::depth_to_space(ops::reshape(x, {-1, 1, 3, 8}), 2); });
  expect_alike([](X x) { return ops::space_to_depth(ops::reshape(x, {-1, 6, 4, 1}), 2); });
  expect_alike([](X x) { return ops::rot90(x, 3, {1, 2}) + ops::vdot(x, 0.5 * x); });
  expect_alike([](X x) { return ops::kron(x, ops::diff(ops::diagonal(x, 1, 1, 2))); });
  expect_alike([](X x) {
    const auto v = ops::reshape(x, {-1, 8, 3});
    return ops::outer(ops::cross(v, 1 - v), ops::inner(v, ops::get_item(v, {0})));
  });
  expect_alike([](X x) {
    const auto below = ops::relu(1.5 - x);
    const auto y = x * (below / below);  // NaN here and there, and no infinities
    return ops::nansum(y, -1) + ops::nanmax(y, -1) * ops::nanmin(y, -1) +
           ops::nanmean(y) * ops::sum(ops::divide_no_nan(x, below), -1);
  });
  expect_alike([](X x) { return ops::nanprod(x, -1) + ops::percentile(x, 30, -1); });
  expect_alike([](X x) {
    return ops::cast(ops::isclose(ops::round(x), x, 0, 0.3), DType::kFloat32) +
           ops::cast(ops::saturate_cast(ops::round(100 * x), DType::kInt8), DType::kFloat32);
  });
  expect_alike([](X x) {
    return ops::pad(ops::split(x, 2, -1)[1], {{0, 0}, {3, 3}, {1, 0}}, "reflect");
  });
}

}  // namespace
}  // namespace lamina

// Products of matrices whichever way their factors lie: gradients against central differences.
#include <gtest/gtest.h>

#include "graph/builder.h"
#include "graph/differentiate.h"
#include "graph/verify.h"
#include "ops/reference/reference_backend.h"
#include "tests/graph/program_testing.h"

namespace lamina::graph {
namespace {

class MatMulGradient : public ::testing::TestWithParam<std::tuple<bool, bool>> {
 protected:
  [[nodiscard]] std::vector<Tensor> run(const Program& program, const std::vector<Tensor>& inputs) {
    return testkit::run_naively(program, backend, inputs);
  }
  ops::ReferenceBackend backend;
};

/// The sum of a * b.
double dot(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.data<double>().size(); ++i) {
    sum += a.data<double>()[i] * b.data<double>()[i];
  }
  return sum;
}

TEST_P(MatMulGradient, EqualsCentralDifferences) {
  std::mt19937_64 rng(testkit::fresh_seed());
  ops::MatMul how;
  std::tie(how.transpose_x0, how.transpose_x1) = GetParam();
  how.scale = 0.7;
  const auto spec = [](bool transposed, std::int64_t rows, std::int64_t columns) {
    return ops::TensorSpec{transposed ? Shape{2, 3, columns, rows} : Shape{2, 3, rows, columns},
                           DType::kFloat64};
  };
  Program program;
  program.inputs = {program.add_value(spec(how.transpose_x0, 4, 5)),
                    program.add_value(spec(how.transpose_x1, 5, 2))};
  program.outputs = {
      Builder(program).matmul(program.inputs[0], program.inputs[1], how, DType::kFloat64)};
  verify(program);
  ASSERT_EQ(program.values[program.outputs[0]].shape, (Shape{2, 3, 4, 2}));

  const std::vector<Tensor> inputs = testkit::random_inputs(program, rng);
  const Tensor seed = testkit::random_tensor(program.values[program.outputs[0]], rng);
  const Derivative derivative =
      differentiate(program, {.outputs = 1, .variables = {}, .inputs = {0, 1}});
  verify(derivative.program);
  const std::vector<Tensor> results = run(derivative.program, {inputs[0], inputs[1], seed});
  for (std::size_t i = 0; i < 2; ++i) {
    const Tensor& gradient = results.at(*derivative.gradients.at(i));
    ASSERT_EQ(gradient.shape(), inputs[i].shape());
    for (std::size_t k = 0; k < gradient.data<double>().size(); ++k) {
      const auto loss_at = [&](double step) {
        std::vector<Tensor> moved = inputs;
        moved[i] = inputs[i].clone();
        moved[i].data<double>()[k] += step;
        return dot(run(program, moved)[0], seed);
      };
      // The product is linear in each factor: the step may be large.
      const double wanted = (loss_at(0.5) - loss_at(-0.5));
      ASSERT_NEAR(std::as_const(gradient).data<double>()[k], wanted, 1e-12)
          << "input " << i << ", element " << k;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Factors, MatMulGradient,
                         ::testing::Combine(::testing::Bool(), ::testing::Bool()),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param) ? "Transposed" : "Plain") +
                                  (std::get<1>(info.param) ? "Transposed" : "Plain");
                         });

TEST(MatMul, RefusesMatricesThatDoNotFit) {
  Program program;
  Builder builder(program);
  const auto value = [&](const Shape& shape) { return program.add_value({shape}); };
  const ValueId x = value({2, 3, 4});
  for (const Shape& other : {Shape{2, 3, 4}, Shape{3, 4, 5}, Shape{4, 5}, Shape{4}}) {
    EXPECT_THROW((void)builder.matmul(x, value(other), {}, DType::kFloat32), ValueError)
        << other.str();
  }
  EXPECT_EQ(builder.shape(builder.matmul(x, value({2, 4, 5}), {}, DType::kFloat32)),
            (Shape{2, 3, 5}));
}

TEST(MatMul, OfAWidenedProductOfHalfWidthFloatsHasNarrowGradients) {
  Program program;
  const ops::TensorSpec narrow{{3, 3}, DType::kBFloat16};
  program.inputs = {program.add_value(narrow), program.add_value(narrow)};
  program.outputs = {
      Builder(program).matmul(program.inputs[0], program.inputs[1], {}, DType::kFloat32)};
  const Derivative derivative =
      differentiate(program, {.outputs = 1, .variables = {}, .inputs = {0, 1}});
  verify(derivative.program);
  ops::ReferenceBackend backend;
  for (const Op& op : derivative.program.ops) EXPECT_NO_THROW((void)backend.make(op.spec));
  for (const auto& gradient : derivative.gradients) {
    EXPECT_EQ(derivative.program.values[derivative.program.outputs.at(*gradient)], narrow);
  }
}

}  // namespace
}  // namespace lamina::graph

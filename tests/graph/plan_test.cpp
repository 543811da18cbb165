#include "graph/plan.h"

#include <gtest/gtest.h>

#include "graph/builder.h"
#include "ops/reference/reference_backend.h"
#include "tests/graph/program_testing.h"
#include "tests/graph/random_program.h"

using namespace lamina;
using namespace lamina::graph;

namespace {

std::vector<VariablePtr> variables_of(const Program& program) {
  std::vector<VariablePtr> variables;
  for (const Op& op : program.ops) {
    for (const Param& param : op.params) {
      variables.insert(variables.end(), param.sources.begin(), param.sources.end());
    }
  }
  return variables;
}

void expect_near(const std::vector<Tensor>& actual, const std::vector<Tensor>& expected,
                 double tolerance, const Program& program) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_LT(testkit::relative_difference(actual[i], expected[i]), tolerance)
        << "output " << i << " of " << testkit::op_names(program);
  }
}

void expect_same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(bitwise_equal(a[i], b[i]));
}

/// y = dense(x) + 1 with a kernel that tests can change.
struct SmallModel {
  SmallModel() {
    Builder builder(program);
    const ops::TensorSpec spec{{1, 2}, DType::kFloat32};
    program.inputs = {program.add_value(spec)};
    builder.set_layer("dense");
    program.outputs = {
        builder.emit(ops::Dense{spec, spec, true}, program.inputs,
                     {Param::of(kernel, DType::kFloat32), Param::of(bias, DType::kFloat32)})};
  }
  VariablePtr kernel =
      std::make_shared<Variable>("kernel", Tensor::from<float>({1, 0, 0, 1}, {2, 2}));
  VariablePtr bias = std::make_shared<Variable>("bias", Tensor::from<float>({1, 1}, {2}));
  Program program;
};

float first(const std::vector<Tensor>& outputs) {
  return outputs[0].data<float>()[0];
}

}  // namespace

TEST(Plan, ComputesWhatItsProgramSaysOnRandomPrograms) {
  std::mt19937_64 rng(testkit::fresh_seed());
  const auto backend = std::make_shared<ops::ReferenceBackend>();
  for (int round = 0; round < 150; ++round) {
    const Program program = testkit::random_program(1 + rng() % 40, DType::kFloat64, rng);
    Plan plan(program, backend, {.optimize = round % 3 != 0});
    for (int run = 0; run < 2; ++run) {
      const auto inputs = testkit::random_inputs(program, rng);
      const auto expected = testkit::run_naively(program, *backend, inputs);
      expect_near(plan.run(inputs), expected, 1e-10, program);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Plan, ComputesTheSameOnTheDevicesBackendAsOnTheReference) {
  std::mt19937_64 rng(testkit::fresh_seed());
  ops::ReferenceBackend reference;
  const std::shared_ptr<ops::Backend> backend = ops::make_backend(Device::cpu());
  for (int round = 0; round < 100; ++round) {
    const Program program = testkit::random_program(1 + rng() % 25, DType::kFloat32, rng);
    Plan plan(program, backend);
    const auto inputs = testkit::random_inputs(program, rng);
    const auto outputs = plan.run(inputs);
    expect_near(outputs, testkit::run_naively(program, reference, inputs), 2e-4, program);
    if (HasFatalFailure()) return;
    expect_same(plan.run(inputs), outputs);
  }
}

TEST(Plan, FollowsVariablesThatWereAssigned) {
  std::mt19937_64 rng(testkit::fresh_seed());
  const auto backend = std::make_shared<ops::ReferenceBackend>();
  for (int round = 0; round < 30; ++round) {
    const Program program = testkit::random_program(20, DType::kFloat64, rng);
    Plan plan(program, backend);
    const auto inputs = testkit::random_inputs(program, rng);
    (void)plan.run(inputs);
    for (const VariablePtr& v : variables_of(program)) {
      if (rng() % 2 == 0) v->assign(testkit::random_tensor({v->shape(), v->dtype()}, rng, 0.1, 1));
    }
    expect_near(plan.run(inputs), testkit::run_naively(program, *backend, inputs), 1e-10, program);
    if (HasFatalFailure()) return;
  }
}

TEST(Plan, RunsWithReleasedWeightsAndComesBackWithNewOnes) {
  SmallModel model;
  Plan plan(model.program, ops::make_backend(Device::cpu()));
  plan.refresh(true);
  EXPECT_TRUE(model.kernel->released());
  EXPECT_TRUE(model.bias->released());
  const std::vector<Tensor> inputs{Tensor::from<float>({3, 4}, {1, 2})};
  EXPECT_EQ(first(plan.run(inputs)), 4);
  model.kernel->assign(Tensor::from<float>({2, 0, 0, 2}, {2, 2}));
  EXPECT_THROW((void)plan.run(inputs), ValueError);  // the bias is needed again, and gone
  model.bias->assign(Tensor::from<float>({0, 0}, {2}));
  EXPECT_EQ(first(plan.run(inputs)), 6);
  EXPECT_FALSE(model.kernel->released());
  plan.refresh(true);
  EXPECT_TRUE(model.kernel->released());
  EXPECT_EQ(first(plan.run(inputs)), 6);
}

TEST(Plan, OutputsAreNewTensorsAndInputsStayAsTheyWere) {
  std::mt19937_64 rng(testkit::fresh_seed());
  for (int round = 0; round < 30; ++round) {
    const Program program = testkit::random_program(10, DType::kFloat32, rng);
    Plan plan(program, ops::make_backend(Device::cpu()));
    const auto inputs = testkit::random_inputs(program, rng);
    std::vector<Tensor> before, kept;
    for (const Tensor& t : inputs) before.push_back(t.clone());
    const auto outputs = plan.run(inputs);
    for (const Tensor& t : outputs) kept.push_back(t.clone());
    (void)plan.run(testkit::random_inputs(program, rng));
    expect_same(inputs, before);
    expect_same(outputs, kept);
    for (Tensor output : outputs)
      std::fill(output.bytes().begin(), output.bytes().end(), std::byte{7});
    expect_same(inputs, before);
  }
}

TEST(Plan, RefusesInputsThatDoNotFitByNumber) {
  SmallModel model;
  Plan plan(model.program, ops::make_backend(Device::cpu()));
  EXPECT_THROW((void)plan.run({}), ValueError);
  EXPECT_THROW((void)plan.run({Tensor()}), ValueError);
  try {
    (void)plan.run({Tensor::zeros({2, 2})});
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(),
                 "Input 0 should be (1, 2) float32 on cpu; received (2, 2) float32 on cpu.");
  }
}

TEST(Plan, RefusesProgramsThatBreakTheirRulesNamingTheLayer) {
  SmallModel model;
  model.program.ops[0].params.pop_back();
  try {
    (void)Plan(model.program, ops::make_backend(Device::cpu()));
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(),
                 "The operation Dense of the layer 'dense' takes 2 parameters; received 1.");
  }
  model.program.ops.push_back(model.program.ops[0]);
  model.program.ops[0].params.resize(2);
  EXPECT_THROW((void)Plan(model.program, ops::make_backend(Device::cpu())), ValueError);
}

TEST(Plan, ProfilesEachKernel) {
  SmallModel model;
  Plan plan(model.program, ops::make_backend(Device::cpu()), {.profile = true});
  for (int run = 0; run < 3; ++run) (void)plan.run({Tensor::zeros({1, 2})});
  const auto rows = plan.profile();
  ASSERT_EQ(rows.size(), plan.kernel_count());
  EXPECT_EQ(rows[0].runs, 3u);
  EXPECT_GT(rows[0].seconds, 0);
  EXPECT_EQ(rows[0].flops, 8);
  const std::string table = profile_table(rows);
  EXPECT_NE(table.find("(1, 2) -> (1, 2)"), std::string::npos) << table;
  EXPECT_NE(table.find("dense"), std::string::npos) << table;
}

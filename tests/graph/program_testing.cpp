#include "tests/graph/program_testing.h"
#include "ops/op_info.h"
#include "tests/fresh_seed.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <limits>

namespace lamina::graph::testkit {

std::uint64_t fresh_seed() {
  const std::uint64_t seed = lamina::test::fresh_seed();
  std::cout << "LAMINA_TEST_SEED=" << seed << "\n";
  return seed;
}

Tensor random_tensor(const ops::TensorSpec& spec, std::mt19937_64& rng, double low, double high) {
  std::uniform_real_distribution<double> uniform(low, high);
  Tensor values = Tensor::empty(spec.shape, DType::kFloat64);
  for (double& v : values.data<double>()) v = uniform(rng);
  return values.cast(spec.dtype);
}

std::vector<Tensor> random_inputs(const Program& program, std::mt19937_64& rng) {
  std::vector<Tensor> inputs;
  for (ValueId id : program.inputs) inputs.push_back(random_tensor(program.values[id], rng));
  return inputs;
}

Param random_param(Shape shape, DType dtype, std::mt19937_64& rng, double low, double high) {
  const Tensor value = random_tensor({std::move(shape), dtype}, rng, low, high);
  return Param::of(std::make_shared<Variable>("random", value), dtype);
}

namespace {

Tensor poisoned(const ops::TensorSpec& spec) {
  Tensor t = Tensor::empty(spec.shape, spec.dtype);
  std::memset(t.raw(), 0xff, t.nbytes());  // NaN in every float type
  return t;
}

void run_alone(const Op& op, ops::Backend& backend, std::vector<Tensor>& values) {
  const ops::KernelPtr kernel = backend.make(op.spec);
  std::vector<Tensor> params;
  for (const Param& param : op.params) params.push_back(param.value());
  if (!params.empty()) kernel->load_parameters(params);
  std::vector<const void*> inputs;
  for (ValueId id : op.inputs) inputs.push_back(values[id].raw());
  void* output = values[op.output].raw();
  Tensor workspace =
      poisoned({{static_cast<std::int64_t>(kernel->workspace_bytes())}, DType::kUInt8});
  kernel->run({inputs, {&output, 1}, workspace.raw()});
}

}  // namespace

std::vector<Tensor> run_naively(const Program& program, ops::Backend& backend,
                                const std::vector<Tensor>& inputs) {
  std::vector<Tensor> values;
  for (const ops::TensorSpec& spec : program.values) values.push_back(poisoned(spec));
  for (std::size_t i = 0; i < inputs.size(); ++i) values[program.inputs[i]] = inputs[i];
  for (const Op& op : program.ops) run_alone(op, backend, values);
  std::vector<Tensor> outputs;
  for (ValueId id : program.outputs) outputs.push_back(values[id].clone());
  return outputs;
}

double relative_difference(const Tensor& actual, const Tensor& expected) {
  if (actual.shape() != expected.shape() || actual.dtype() != expected.dtype()) {
    return std::numeric_limits<double>::infinity();
  }
  const Tensor a = actual.cast(DType::kFloat64), b = expected.cast(DType::kFloat64);
  double largest = 1, difference = 0;
  for (std::size_t i = 0; i < a.data<double>().size(); ++i) {
    const double x = std::as_const(a).data<double>()[i], y = std::as_const(b).data<double>()[i];
    if (std::isnan(x) && std::isnan(y)) continue;
    if (std::isnan(x) || std::isnan(y)) return std::numeric_limits<double>::infinity();
    if (x == y) continue;  // equal infinities
    largest = std::max(largest, std::fabs(y));
    difference = std::max(difference, std::fabs(x - y));
  }
  return difference / largest;
}

std::string op_names(const Program& program) {
  std::string names;
  for (const Op& op : program.ops) {
    if (!names.empty()) names += ' ';
    names += ops::op_name(op.spec);
  }
  return names;
}

}  // namespace lamina::graph::testkit

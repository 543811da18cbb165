#include "graph/differentiate.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "graph/builder.h"
#include "graph/gradients/rules.h"

namespace lamina::graph {
namespace {

/// Walks a program backwards, writing each operation's gradient behind it.
class Differentiator {
 public:
  Differentiator(Program program, const Wanted& wanted);
  Derivative run() &&;

 private:
  using Gradient = std::optional<ValueId>;

  void mark_reached();
  void seed();
  void visit(const Op& op);
  [[nodiscard]] std::vector<bool> wanted_params(const Op& op) const;
  void collect(const Op& op, const std::vector<Gradient>& params);
  void publish(const Gradient& gradient);

  const Wanted& wanted_;
  Derivative result_;
  Builder builder_;
  Adjoint::Values values_;
  std::unordered_map<const Variable*, std::size_t> variable_index_;
  std::vector<Gradient> of_variables_;
};

Differentiator::Differentiator(Program program, const Wanted& wanted)
    : wanted_(wanted),
      result_{std::move(program), 0, {}},
      builder_(result_.program),
      of_variables_(wanted.variables.size()) {
  result_.forward_ops = result_.program.ops.size();
  for (std::size_t i = 0; i < wanted.variables.size(); ++i) {
    variable_index_.emplace(wanted.variables[i].get(), i);
  }
}

std::vector<bool> Differentiator::wanted_params(const Op& op) const {
  std::vector<bool> wanted;
  for (const Param& param : op.params) {
    wanted.push_back(param.variable && !param.constant &&
                     variable_index_.contains(param.variable.get()));
  }
  return wanted;
}

void Differentiator::mark_reached() {
  const Program& program = result_.program;
  values_.reached.assign(program.values.size(), false);
  for (const std::size_t input : wanted_.inputs) {
    values_.reached[program.inputs[input]] = true;
  }
  for (const Op& op : program.ops) {
    if (!is_floating(program.values[op.output].dtype)) continue;
    const std::vector<bool> params = wanted_params(op);
    const bool reached = std::find(params.begin(), params.end(), true) != params.end() ||
                         std::any_of(op.inputs.begin(), op.inputs.end(),
                                     [&](ValueId id) { return values_.reached[id]; });
    values_.reached[op.output] = reached;
  }
}

void Differentiator::seed() {
  Program& program = result_.program;
  values_.gradients.resize(program.values.size());
  for (std::size_t i = 0; i < wanted_.outputs; ++i) {
    const ValueId output = program.outputs[i];
    const ValueId gradient = program.add_value(program.values[output]);
    program.inputs.push_back(gradient);
    Gradient& sum = values_.gradients[output];
    sum = sum ? builder_.binary(ops::Binary::kAdd, *sum, gradient) : gradient;
  }
}

void Differentiator::visit(const Op& op) {
  if (!values_.reached[op.output] || !values_.gradients[op.output]) return;
  builder_.set_layer(op.layer);
  std::vector<Gradient> params(op.params.size());
  Adjoint at(builder_, op, *values_.gradients[op.output], values_, params, wanted_params(op));
  std::visit([&](const auto& spec) { gradients::differentiate(spec, at); }, op.spec);
  collect(op, params);
}

void Differentiator::collect(const Op& op, const std::vector<Gradient>& params) {
  for (std::size_t i = 0; i < params.size(); ++i) {
    if (!params[i]) continue;
    const Variable& variable = *op.params[i].variable;
    const ValueId gradient =
        builder_.reshape(builder_.cast(*params[i], variable.dtype()), variable.shape());
    Gradient& sum = of_variables_[variable_index_.at(&variable)];
    sum = sum ? builder_.binary(ops::Binary::kAdd, *sum, gradient) : gradient;
  }
}

void Differentiator::publish(const Gradient& gradient) {
  if (!gradient) {
    result_.gradients.emplace_back();
    return;
  }
  result_.gradients.emplace_back(result_.program.outputs.size());
  result_.program.outputs.push_back(*gradient);
}

Derivative Differentiator::run() && {
  mark_reached();
  seed();
  for (std::size_t i = result_.forward_ops; i-- > 0;) {
    const Op op = result_.program.ops[i];  // a copy: the vector grows
    visit(op);
  }
  for (const Gradient& gradient : of_variables_) publish(gradient);
  for (const std::size_t input : wanted_.inputs) {
    publish(values_.gradients[result_.program.inputs[input]]);
  }
  return std::move(result_);
}

}  // namespace

Derivative differentiate(Program program, const Wanted& wanted) {
  return Differentiator(std::move(program), wanted).run();
}

}  // namespace lamina::graph

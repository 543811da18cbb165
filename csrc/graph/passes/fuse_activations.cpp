#include "graph/op_access.h"
#include "graph/passes/passes.h"
#include "graph/passes/rewriter.h"
#include "ops/elementwise.h"

namespace lamina::graph {
namespace {

/// Where the gradient can do without what the activation received.
bool differentiable(const ops::OpSpec& above, const ops::Activation& activation) {
  if (std::holds_alternative<ops::BatchNormTraining>(above)) return true;
  const bool product = std::holds_alternative<ops::Conv2D>(above) ||
                       std::holds_alternative<ops::Conv2DTranspose>(above) ||
                       std::holds_alternative<ops::Dense>(above);
  return product && ops::derives_from_output(activation);
}

template <class Allowed>
Program fuse(Program program, const Allowed& allowed) {
  Rewriter rewriter(std::move(program));
  for (std::size_t i = 0; i < rewriter.size(); ++i) {
    const auto* unary = std::get_if<ops::UnaryOp>(&rewriter.op(i).spec);
    if (unary == nullptr || unary->x != unary->y) continue;
    const auto above = rewriter.private_producer(rewriter.op(i).inputs[0]);
    if (!above) continue;
    ops::Activation* activation = trailing_activation(rewriter.op(*above).spec);
    if (activation == nullptr || activation->kind != ops::Unary::kLinear) continue;
    if (!allowed(rewriter.op(*above).spec, unary->activation)) continue;
    *activation = unary->activation;
    rewriter.absorb(*above, i);
  }
  return std::move(rewriter).finish();
}

}  // namespace

Program fuse_activations(Program program) {
  return fuse(std::move(program), [](const ops::OpSpec&, const ops::Activation&) { return true; });
}

Program fuse_differentiable_activations(Program program) {
  return fuse(std::move(program), differentiable);
}

}  // namespace lamina::graph

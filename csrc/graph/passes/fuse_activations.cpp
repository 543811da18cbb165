#include "graph/op_access.h"
#include "graph/passes/passes.h"
#include "graph/passes/rewriter.h"

namespace lamina::graph {

Program fuse_activations(Program program) {
  Rewriter rewriter(std::move(program));
  for (std::size_t i = 0; i < rewriter.size(); ++i) {
    const auto* unary = std::get_if<ops::UnaryOp>(&rewriter.op(i).spec);
    if (unary == nullptr || unary->x != unary->y) continue;
    const auto above = rewriter.private_producer(rewriter.op(i).inputs[0]);
    if (!above) continue;
    ops::Activation* activation = trailing_activation(rewriter.op(*above).spec);
    if (activation == nullptr || activation->kind != ops::Unary::kLinear) continue;
    *activation = unary->activation;
    rewriter.absorb(*above, i);
  }
  return std::move(rewriter).finish();
}

}  // namespace lamina::graph

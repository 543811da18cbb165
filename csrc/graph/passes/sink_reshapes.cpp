#include "graph/passes/passes.h"
#include "graph/passes/rewriter.h"

namespace lamina::graph {
namespace {

bool same_last_axis(const Shape& a, const Shape& b) {
  return a.rank() > 0 && b.rank() > 0 && a[-1] == b[-1];
}

/// Makes `spec` work on `shape` instead of its own; false where it cannot.
bool move_to(ops::OpSpec& spec, const Shape& shape) {
  if (auto* unary = std::get_if<ops::UnaryOp>(&spec)) {
    unary->x.shape = unary->y.shape = shape;
    return true;
  }
  auto* norm = std::get_if<ops::BatchNorm>(&spec);
  if (norm == nullptr || norm->axis + 1 != norm->x.shape.rank() ||
      !same_last_axis(norm->x.shape, shape)) {
    return false;
  }
  norm->x.shape = norm->y.shape = shape;
  norm->axis = shape.rank() - 1;
  return true;
}

}  // namespace

Program sink_reshapes(Program program) {
  Rewriter rewriter(std::move(program));
  for (std::size_t i = 0; i < rewriter.size(); ++i) {
    if (rewriter.op(i).inputs.size() != 1) continue;
    const auto above = rewriter.private_producer(rewriter.op(i).inputs[0]);
    if (!above) continue;
    const auto* reshape = std::get_if<ops::Reshape>(&rewriter.op(*above).spec);
    if (reshape == nullptr) continue;
    ops::OpSpec moved = rewriter.op(i).spec;
    if (!move_to(moved, reshape->x.shape)) continue;
    const ops::TensorSpec between = std::visit([](const auto& op) { return op.y; }, moved);
    const ops::TensorSpec below = rewriter.value(rewriter.op(i).output);
    rewriter.exchange(*above, i);
    rewriter.op(*above).spec = std::move(moved);
    rewriter.op(i).spec = ops::Reshape{between, below};
    rewriter.value(rewriter.op(*above).output) = between;
  }
  return std::move(rewriter).finish();
}

}  // namespace lamina::graph

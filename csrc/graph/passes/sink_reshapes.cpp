#include <optional>

#include "graph/passes/passes.h"
#include "graph/passes/rewriter.h"

namespace lamina::graph {
namespace {

bool same_last_axis(const Shape& a, const Shape& b) {
  return a.rank() > 0 && b.rank() > 0 && a[-1] == b[-1];
}

/// Makes `spec` work on what the reshape is made of; false where it cannot.
bool move_above(ops::OpSpec& spec, const ops::Reshape& reshape) {
  const Shape& shape = reshape.x.shape;
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
bool move_above(ops::OpSpec& spec, const ops::Transpose& transpose) {
  if (auto* unary = std::get_if<ops::UnaryOp>(&spec)) {
    unary->x.shape = unary->y.shape = transpose.x.shape;
    return true;
  }
  auto* norm = std::get_if<ops::BatchNorm>(&spec);
  if (norm == nullptr) return false;
  norm->x.shape = norm->y.shape = transpose.x.shape;
  norm->axis = transpose.perm[norm->axis];
  return true;
}

/// Has operation `below` and the `Moving` one `above` it change places; false where that cannot be.
template <class Moving>
bool exchange(Rewriter& rewriter, std::size_t above, std::size_t below) {
  const auto* moving = std::get_if<Moving>(&rewriter.op(above).spec);
  if (moving == nullptr) return false;
  ops::OpSpec first = rewriter.op(below).spec;
  if (!move_above(first, *moving)) return false;
  Moving second = *moving;
  second.x = std::visit([](const auto& op) { return op.y; }, first);
  second.y = rewriter.value(rewriter.op(below).output);
  rewriter.exchange(above, below);
  rewriter.op(above).spec = std::move(first);
  rewriter.value(rewriter.op(above).output) = second.x;
  rewriter.op(below).spec = std::move(second);
  return true;
}

/// Moves an operation above the one that makes what it reads; where it then is, if it moved.
std::optional<std::size_t> moved_up(Rewriter& rewriter, std::size_t index) {
  if (rewriter.op(index).inputs.size() != 1) return std::nullopt;
  const auto above = rewriter.private_producer(rewriter.op(index).inputs[0]);
  if (!above) return std::nullopt;
  const bool moved = exchange<ops::Reshape>(rewriter, *above, index) ||
                     exchange<ops::Transpose>(rewriter, *above, index);
  return moved ? above : std::nullopt;
}

}  // namespace

Program sink_reshapes(Program program) {
  Rewriter rewriter(std::move(program));
  for (std::size_t i = 0; i < rewriter.size(); ++i) {
    std::optional<std::size_t> at = i;
    while (at) at = moved_up(rewriter, *at);
  }
  return std::move(rewriter).finish();
}

}  // namespace lamina::graph

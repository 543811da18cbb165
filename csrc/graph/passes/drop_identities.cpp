#include <algorithm>

#include "graph/passes/passes.h"
#include "graph/passes/rewriter.h"

namespace lamina::graph {
namespace {

// True where `y` is `x`, bit for bit.
bool is_identity(const ops::UnaryOp& op) {
  return op.activation.kind == ops::Unary::kLinear && op.x == op.y;
}
bool is_identity(const ops::Reshape& op) {
  return op.x == op.y;
}
bool is_identity(const ops::Cast& op) {
  return op.x == op.y;
}
bool is_identity(const ops::Resize2D& op) {
  return op.x == op.y;
}
bool is_identity(const ops::Concat& op) {
  return op.xs.size() == 1;
}
bool is_identity(const ops::Transpose& op) {
  return std::is_sorted(op.perm.begin(), op.perm.end());
}
bool is_identity(const ops::Pad& op) {
  const auto zero = [](std::int64_t amount) { return amount == 0; };
  return std::all_of(op.before.begin(), op.before.end(), zero) &&
         std::all_of(op.after.begin(), op.after.end(), zero);
}
bool is_identity(const ops::Pool2D& op) {
  return op.window == ops::Pair{1, 1} && op.x == op.y && op.pad_before == ops::Pair{0, 0};
}
template <class Op>
bool is_identity(const Op&) {
  return false;
}

// True where the elements keep their order, and only the shape changes.
bool is_reshape(const ops::Transpose& op) {
  std::vector<std::size_t> moved;
  for (std::size_t axis : op.perm) {
    if (op.x.shape.dims()[axis] != 1) moved.push_back(axis);
  }
  return std::is_sorted(moved.begin(), moved.end());
}
bool is_reshape(const ops::Reduce& op) {
  return std::all_of(op.axes.begin(), op.axes.end(),
                     [&](std::size_t axis) { return op.x.shape.dims()[axis] == 1; });
}
template <class Op>
bool is_reshape(const Op&) {
  return false;
}

template <class Op>
void simplify(ops::OpSpec& spec, const Op& op) {
  if constexpr (requires { op.x; }) {
    if (!is_reshape(op)) return;
    const ops::TensorSpec x = op.x, y = op.y;
    spec = ops::Reshape{x, y};
  }
}

// A reshape of a reshape is a reshape of the original.
void skip_inner_reshape(Rewriter& rewriter, std::size_t index) {
  auto* outer = std::get_if<ops::Reshape>(&rewriter.op(index).spec);
  if (outer == nullptr) return;
  const auto producer = rewriter.producer(rewriter.op(index).inputs[0]);
  if (!producer) return;
  const auto* inner = std::get_if<ops::Reshape>(&rewriter.op(*producer).spec);
  if (inner == nullptr) return;
  outer->x = inner->x;
  rewriter.redirect(index, 0, rewriter.op(*producer).inputs[0]);
}

// A transpose of a transpose is one of the original.
void skip_inner_transpose(Rewriter& rewriter, std::size_t index) {
  auto* outer = std::get_if<ops::Transpose>(&rewriter.op(index).spec);
  if (outer == nullptr) return;
  const auto producer = rewriter.producer(rewriter.op(index).inputs[0]);
  if (!producer) return;
  const auto* inner = std::get_if<ops::Transpose>(&rewriter.op(*producer).spec);
  if (inner == nullptr) return;
  for (std::size_t& axis : outer->perm) axis = inner->perm[axis];
  outer->x = inner->x;
  rewriter.redirect(index, 0, rewriter.op(*producer).inputs[0]);
}

}  // namespace

Program drop_identities(Program program) {
  Rewriter rewriter(std::move(program));
  for (std::size_t i = 0; i < rewriter.size(); ++i) {
    skip_inner_transpose(rewriter, i);
    ops::OpSpec simple = rewriter.op(i).spec;
    std::visit([&](const auto& op) { simplify(simple, op); }, rewriter.op(i).spec);
    rewriter.op(i).spec = std::move(simple);
    skip_inner_reshape(rewriter, i);
    if (std::visit([](const auto& op) { return is_identity(op); }, rewriter.op(i).spec)) {
      rewriter.bypass(i, rewriter.op(i).inputs[0]);
    }
  }
  return std::move(rewriter).finish();
}

}  // namespace lamina::graph

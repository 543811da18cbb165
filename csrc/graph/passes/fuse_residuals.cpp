#include "graph/passes/passes.h"
#include "graph/passes/rewriter.h"

namespace lamina::graph {
namespace {

/// The flag of an operation that could still take a residual; nullptr else.
bool* free_residual(ops::OpSpec& spec) {
  bool* residual = nullptr;
  if (auto* conv = std::get_if<ops::Conv2D>(&spec)) residual = &conv->residual;
  if (auto* dense = std::get_if<ops::Dense>(&spec)) residual = &dense->residual;
  return residual != nullptr && !*residual ? residual : nullptr;
}

/// The operand whose producer can add the other one: it must come last, for the other must be
/// there.
std::optional<std::size_t> operand_to_extend(Rewriter& rewriter, const Op& add) {
  std::optional<std::size_t> best;
  std::size_t latest = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    const auto above = rewriter.private_producer(add.inputs[i]);
    const auto other = rewriter.producer(add.inputs[1 - i]);
    if (!above || (other && *other > *above) || (best && *above < latest)) continue;
    if (free_residual(rewriter.op(*above).spec) == nullptr) continue;
    best = i;
    latest = *above;
  }
  return best;
}

}  // namespace

Program fuse_residuals(Program program) {
  Rewriter rewriter(std::move(program));
  for (std::size_t i = 0; i < rewriter.size(); ++i) {
    const auto* add = std::get_if<ops::BinaryOp>(&rewriter.op(i).spec);
    if (add == nullptr || add->kind != ops::Binary::kAdd || add->x0 != add->x1) continue;
    if (add->activation.kind != ops::Unary::kLinear) continue;
    const auto operand = operand_to_extend(rewriter, rewriter.op(i));
    if (!operand) continue;
    const ValueId residual = rewriter.op(i).inputs[1 - *operand];
    const std::size_t above = *rewriter.producer(rewriter.op(i).inputs[*operand]);
    *free_residual(rewriter.op(above).spec) = true;
    rewriter.add_input(above, residual);
    rewriter.absorb(above, i);
  }
  return std::move(rewriter).finish();
}

}  // namespace lamina::graph

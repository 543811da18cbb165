#include <algorithm>

#include "graph/passes/passes.h"
#include "graph/passes/rewriter.h"

namespace lamina::graph {
namespace {

/// What lies at [begin, begin + size) of an axis, with zeros around it.
struct Piece {
  ValueId value;
  ops::TensorSpec spec;
  std::size_t axis;
  std::int64_t begin;
};

/// The axis along which `pad` puts zeros around its input, if it does so along one and no more.
std::optional<std::size_t> padded_axis(const ops::Pad& pad) {
  if (pad.value != 0) return std::nullopt;
  std::optional<std::size_t> found;
  for (std::size_t axis = 0; axis < pad.before.size(); ++axis) {
    if (pad.before[axis] == 0 && pad.after[axis] == 0) continue;
    if (found || pad.before[axis] < 0 || pad.after[axis] < 0) return std::nullopt;
    found = axis;
  }
  return found;
}

bool is_plain_sum(const ops::OpSpec& spec) {
  const auto* sum = std::get_if<ops::BinaryOp>(&spec);
  return sum != nullptr && sum->kind == ops::Binary::kAdd && sum->x0 == sum->y &&
         sum->x1 == sum->y && sum->activation.kind == ops::Unary::kLinear;
}

/// A sum with nothing else in it than padded pieces, which nobody else reads.
class SumOfPieces {
 public:
  SumOfPieces(Rewriter& rewriter, std::size_t first) : rewriter_(rewriter), first_(first) {}

  /// False where there is something else.
  bool collect(std::size_t sum) {
    // What was added last comes first: in long sums of something else it says so at once.
    const std::vector<ValueId>& inputs = rewriter_.op(sum).inputs;
    for (auto input = inputs.rbegin(); input != inputs.rend(); ++input) {
      const auto above = rewriter_.private_producer(*input);
      if (!above || *above < first_) return false;
      const Op& op = rewriter_.op(*above);
      const auto* pad = std::get_if<ops::Pad>(&op.spec);
      if (pad == nullptr) {
        if (!is_plain_sum(op.spec) || !collect(*above)) return false;
        continue;
      }
      const auto axis = padded_axis(*pad);
      if (!axis) return false;
      pieces_.push_back({op.inputs[0], pad->x, *axis, pad->before[*axis]});
    }
    return true;
  }

  /// The pieces side by side, if they fill `y`.
  [[nodiscard]] std::optional<ops::Concat> joined(const ops::TensorSpec& y) {
    std::sort(pieces_.begin(), pieces_.end(),
              [](const Piece& a, const Piece& b) { return a.begin < b.begin; });
    ops::Concat join{{}, y, pieces_.front().axis};
    std::int64_t end = 0;
    for (const Piece& piece : pieces_) {
      if (piece.axis != join.axis || piece.begin != end) return std::nullopt;
      end += piece.spec.shape.dims()[join.axis];
      join.xs.push_back(piece.spec);
    }
    if (end != y.shape.dims()[join.axis]) return std::nullopt;
    return join;
  }
  [[nodiscard]] const std::vector<Piece>& pieces() const { return pieces_; }

 private:
  Rewriter& rewriter_;
  std::size_t first_;
  std::vector<Piece> pieces_;
};

}  // namespace

Program join_pads(Program program, std::size_t first) {
  Rewriter rewriter(std::move(program));
  for (std::size_t i = rewriter.size(); i-- > first;) {  // whole sums before parts of them
    if (!is_plain_sum(rewriter.op(i).spec)) continue;
    SumOfPieces sum(rewriter, first);
    if (!sum.collect(i)) continue;
    std::optional<ops::Concat> join = sum.joined(rewriter.value(rewriter.op(i).output));
    if (!join) continue;
    rewriter.op(i).spec = std::move(*join);
    for (std::size_t k = 0; k < sum.pieces().size(); ++k) {
      const ValueId value = sum.pieces()[k].value;
      k < 2 ? rewriter.redirect(i, k, value) : rewriter.add_input(i, value);
    }
  }
  return drop_dead(std::move(rewriter).finish());
}

}  // namespace lamina::graph

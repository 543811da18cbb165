#include <algorithm>

#include "graph/passes/passes.h"
#include "graph/passes/rewriter.h"

namespace lamina::graph {
namespace {

bool pads_rows_and_columns_with_zeros(const ops::Pad& pad) {
  const auto spatial = [](const std::vector<std::int64_t>& amount) {
    return amount.size() == 4 && amount[0] == 0 && amount[1] >= 0 && amount[2] >= 0 &&
           amount[3] == 0;
  };
  return pad.value == 0 && spatial(pad.before) && spatial(pad.after);
}

}  // namespace

Program fold_padding(Program program) {
  Rewriter rewriter(std::move(program));
  for (std::size_t i = 0; i < rewriter.size(); ++i) {
    auto* conv = std::get_if<ops::Conv2D>(&rewriter.op(i).spec);
    if (conv == nullptr) continue;
    const auto above = rewriter.producer(rewriter.op(i).inputs[0]);
    if (!above) continue;
    const auto* pad = std::get_if<ops::Pad>(&rewriter.op(*above).spec);
    if (pad == nullptr || !pads_rows_and_columns_with_zeros(*pad)) continue;
    conv->x = pad->x;
    for (std::size_t axis = 0; axis < 2; ++axis) {
      conv->pad_before[axis] += pad->before[axis + 1];
      conv->pad_after[axis] += pad->after[axis + 1];
    }
    rewriter.redirect(i, 0, rewriter.op(*above).inputs[0]);
  }
  return drop_dead(std::move(rewriter).finish());
}

}  // namespace lamina::graph

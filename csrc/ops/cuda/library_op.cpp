#include "ops/cuda/library_op.h"

#include <fmt/format.h>

namespace lamina::ops::cuda {
namespace {

std::string pair(const Pair& two) {
  return fmt::format("{}x{}", two[0], two[1]);
}

std::string text(const LibraryConvolution& op) {
  static constexpr const char* kDirections[] = {"forward", "input", "kernel"};
  std::string out =
      fmt::format("convolution {} {} {} -> {} kernel {} strides {} dilation {} pad {}+{} groups {}",
                  kDirections[static_cast<int>(op.direction)], dtype_name(op.dtype), op.x.str(),
                  op.y.str(), pair(op.kernel), pair(op.strides), pair(op.dilation), pair(op.before),
                  pair(op.after), op.groups);
  if (op.bias) out += " bias";
  if (op.activation.kind != Unary::kLinear) {
    out += fmt::format(" activation {}({}, {}, {})", static_cast<int>(op.activation.kind),
                       op.activation.a, op.activation.b, op.activation.c);
  }
  return out;
}

std::string text(const LibraryProduct& op) {
  std::string out = fmt::format("product {} {}x{}x{}{}{}{}{}", dtype_name(op.dtype), op.rows,
                                op.columns, op.depth, op.transpose_a ? " a transposed" : "",
                                op.transpose_b ? " b transposed" : "", op.bias ? " bias" : "",
                                op.relu ? " relu" : "");
  if (op.matrices != 1) out += fmt::format(" matrices {}", op.matrices);
  if (op.scale != 1) out += fmt::format(" scale {}", op.scale);
  return op.result() == op.dtype ? out : out + " wide";
}

std::string text(const LibraryNorm& op) {
  return fmt::format("layer_norm forward {} {}x{} epsilon {}", dtype_name(op.dtype), op.rows,
                     op.width, op.epsilon);
}

}  // namespace

std::string describe(const LibraryOp& op) {
  return std::visit([](const auto& each) { return text(each); }, op);
}

}  // namespace lamina::ops::cuda

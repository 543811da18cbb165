#include "ops/spec.h"

#include <string_view>

namespace lamina::ops {
namespace {
struct Names {
  std::string_view operator()(const Conv2D&) const { return "Conv2D"; }
  std::string_view operator()(const Conv2DTranspose&) const { return "Conv2DTranspose"; }
  std::string_view operator()(const Dense&) const { return "Dense"; }
  std::string_view operator()(const Pool2D&) const { return "Pool2D"; }
  std::string_view operator()(const Reduce&) const { return "Reduce"; }
  std::string_view operator()(const UnaryOp&) const { return "Unary"; }
  std::string_view operator()(const BinaryOp&) const { return "Binary"; }
  std::string_view operator()(const BatchNorm&) const { return "BatchNorm"; }
  std::string_view operator()(const LayerNorm&) const { return "LayerNorm"; }
  std::string_view operator()(const Softmax&) const { return "Softmax"; }
  std::string_view operator()(const Concat&) const { return "Concat"; }
  std::string_view operator()(const Pad&) const { return "Pad"; }
  std::string_view operator()(const Resize2D&) const { return "Resize2D"; }
  std::string_view operator()(const Transpose&) const { return "Transpose"; }
  std::string_view operator()(const Reshape&) const { return "Reshape"; }
  std::string_view operator()(const Gather&) const { return "Gather"; }
  std::string_view operator()(const Cast&) const { return "Cast"; }
};
}  // namespace

std::string_view op_name(const OpSpec& spec) {
  return std::visit(Names{}, spec);
}

}  // namespace lamina::ops

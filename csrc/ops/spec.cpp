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
  std::string_view operator()(const Dropout&) const { return "Dropout"; }
  std::string_view operator()(const ParamValue&) const { return "ParamValue"; }
  std::string_view operator()(const BatchNormStatistics&) const { return "BatchNormStatistics"; }
  std::string_view operator()(const BatchNormTraining&) const { return "BatchNormTraining"; }
  std::string_view operator()(const BatchNormSums&) const { return "BatchNormSums"; }
  std::string_view operator()(const BatchNormGradient&) const { return "BatchNormGradient"; }
  std::string_view operator()(const Conv2DKernelGradient&) const { return "Conv2DKernelGradient"; }
  std::string_view operator()(const DenseKernelGradient&) const { return "DenseKernelGradient"; }
  std::string_view operator()(const Pool2DGradient&) const { return "Pool2DGradient"; }
  std::string_view operator()(const ReduceGradient&) const { return "ReduceGradient"; }
  std::string_view operator()(const UnaryGradient&) const { return "UnaryGradient"; }
  std::string_view operator()(const BinaryGradient&) const { return "BinaryGradient"; }
  std::string_view operator()(const LayerNormGradient&) const { return "LayerNormGradient"; }
  std::string_view operator()(const LayerNormSums&) const { return "LayerNormSums"; }
  std::string_view operator()(const SoftmaxGradient&) const { return "SoftmaxGradient"; }
  std::string_view operator()(const Resize2DGradient&) const { return "Resize2DGradient"; }
  std::string_view operator()(const GatherGradient&) const { return "GatherGradient"; }
};
}  // namespace

std::string_view op_name(const OpSpec& spec) {
  return std::visit(Names{}, spec);
}

}  // namespace lamina::ops

#include "ops/op_info.h"

namespace lamina::ops {
namespace {

struct Names {
#define LAMINA_OP(Op, name, dtypes, inputs)      \
  std::string_view operator()(const Op&) const { \
    return name;                                 \
  }
#include "ops/ops.def"
};

// Each is named, so that a new operation must say what it reads.
struct InputSpecs {
  using Specs = std::vector<TensorSpec>;

  Specs operator()(const Conv2D& op) const { return with_residual(op); }
  Specs operator()(const Dense& op) const { return with_residual(op); }
  Specs operator()(const MatMul& op) const { return {op.x0, op.x1}; }
  Specs operator()(const BinaryOp& op) const { return {op.x0, op.x1}; }
  Specs operator()(const Concat& op) const { return op.xs; }
  Specs operator()(const Gather& op) const {
    return op.flows ? Specs{op.ids, op.table()} : Specs{op.ids};
  }
  Specs operator()(const Dropout& op) const { return {op.x, {{2}, DType::kUInt64}}; }
  Specs operator()(const Noise& op) const { return {op.x, {{2}, DType::kUInt64}}; }
  Specs operator()(const ParamValue&) const { return {}; }
  Specs operator()(const BatchNormTraining& op) const { return {op.x, op.statistics}; }
  Specs operator()(const BatchNormSums& op) const { return {op.of.x, op.of.statistics, op.of.y}; }
  Specs operator()(const BatchNormGradient& op) const {
    return {op.of.x, op.of.statistics, op.of.y, op.sums};
  }
  Specs operator()(const Conv2DKernelGradient& op) const { return {op.of.x, op.of.y}; }
  Specs operator()(const DenseKernelGradient& op) const { return {op.of.x, op.of.y}; }
  Specs operator()(const Pool2DGradient& op) const {
    return op.of.kind == Pool2D::Kind::kMax ? Specs{op.of.x, op.of.y} : Specs{op.of.y};
  }
  Specs operator()(const ReduceGradient& op) const {
    return op.of.kind == Reduce::Kind::kMax ? Specs{op.of.x, op.of.y, op.of.y} : Specs{op.of.y};
  }
  Specs operator()(const UnaryGradient& op) const { return {op.of.x, op.of.y}; }
  Specs operator()(const BinaryGradient& op) const { return {op.of.x0, op.of.x1, op.of.y}; }
  Specs operator()(const LayerNormGradient& op) const { return {op.of.x, op.of.y}; }
  Specs operator()(const LayerNormSums& op) const { return {op.of.x, op.of.y}; }
  Specs operator()(const SoftmaxGradient& op) const { return {op.of.y, op.of.y}; }
  Specs operator()(const Resize2DGradient& op) const { return {op.of.y}; }
  Specs operator()(const GatherGradient& op) const { return {op.of.ids, op.of.y}; }
  Specs operator()(const Conv2DTranspose& op) const { return {op.x}; }
  Specs operator()(const Pool2D& op) const { return {op.x}; }
  Specs operator()(const Reduce& op) const { return {op.x}; }
  Specs operator()(const UnaryOp& op) const { return {op.x}; }
  Specs operator()(const BatchNorm& op) const { return {op.x}; }
  Specs operator()(const LayerNorm& op) const { return {op.x}; }
  Specs operator()(const Softmax& op) const { return {op.x}; }
  Specs operator()(const Pad& op) const { return {op.x}; }
  Specs operator()(const Resize2D& op) const { return {op.x}; }
  Specs operator()(const Transpose& op) const { return {op.x}; }
  Specs operator()(const Reshape& op) const { return {op.x}; }
  Specs operator()(const Argsort& op) const { return {op.x}; }
  Specs operator()(const Cast& op) const { return {op.x}; }
  Specs operator()(const BatchNormStatistics& op) const { return {op.x}; }

 private:
  template <class Op>
  static Specs with_residual(const Op& op) {
    return op.residual ? Specs{op.x, op.y} : Specs{op.x};
  }
};

double elements(const TensorSpec& spec) {
  return static_cast<double>(spec.shape.size());
}

double flops_of(const Conv2D& op) {
  return 2 * elements(op.y) * static_cast<double>(op.kernel[0] * op.kernel[1]) *
         static_cast<double>(op.x.shape[-1]) / static_cast<double>(op.groups);
}
double flops_of(const Conv2DTranspose& op) {
  return 2 * elements(op.x) * static_cast<double>(op.kernel[0] * op.kernel[1]) *
         static_cast<double>(op.y.shape[-1]);
}
double flops_of(const Dense& op) {
  return 2 * elements(op.y) * static_cast<double>(op.x.shape[-1]);
}
double flops_of(const MatMul& op) {
  return 2 * elements(op.y) * static_cast<double>(MatMulSizes(op).depth);
}
double flops_of(const Conv2DKernelGradient& op) {
  return flops_of(op.of);
}
double flops_of(const DenseKernelGradient& op) {
  return flops_of(op.of);
}
template <class Spec>
double flops_of(const Spec&) {
  return 0;
}

}  // namespace

std::string_view op_name(const OpSpec& spec) {
  return std::visit(Names{}, spec);
}

std::vector<TensorSpec> input_specs(const OpSpec& spec) {
  return std::visit(InputSpecs{}, spec);
}

const TensorSpec& output_spec(const OpSpec& spec) {
  return std::visit([](const auto& op) -> const TensorSpec& { return op.y; }, spec);
}

double flops(const OpSpec& spec) {
  return std::visit([](const auto& op) { return flops_of(op); }, spec);
}

std::string describe(const TensorSpec& spec) {
  return spec.shape.str() + " " + std::string(dtype_name(spec.dtype));
}

std::string describe(const OpSpec& spec) {
  std::string result(op_name(spec));
  const char* separator = " ";
  for (const TensorSpec& input : input_specs(spec)) {
    result += separator + describe(input);
    separator = ", ";
  }
  return result + " -> " + describe(output_spec(spec));
}

}  // namespace lamina::ops

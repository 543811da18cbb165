#include "ops/params.h"

#include <lamina/error.h>

#include "ops/op_info.h"

namespace lamina::ops {
namespace {

struct ParamShapes {
  using Shapes = std::vector<Shape>;

  Shapes operator()(const Conv2D& op) const {
    Shapes shapes{{op.kernel[0], op.kernel[1], op.x.shape[3] / op.groups, op.y.shape[3]}};
    if (op.bias) shapes.push_back({op.y.shape[3]});
    return shapes;
  }
  Shapes operator()(const Conv2DTranspose& op) const {
    Shapes shapes{{op.kernel[0], op.kernel[1], op.y.shape[3] / op.groups, op.x.shape[3]}};
    if (op.bias) shapes.push_back({op.y.shape[3]});
    return shapes;
  }
  Shapes operator()(const Dense& op) const {
    Shapes shapes{op.transposed ? Shape{op.y.shape[-1], op.x.shape[-1]}
                                : Shape{op.x.shape[-1], op.y.shape[-1]}};
    if (op.bias) shapes.push_back({op.y.shape[-1]});
    return shapes;
  }
  Shapes operator()(const BatchNorm& op) const {
    const std::size_t count = 2 + (op.scale ? 1 : 0) + (op.center ? 1 : 0);
    return Shapes(count, Shape{op.x.shape[static_cast<std::int64_t>(op.axis)]});
  }
  Shapes operator()(const LayerNorm& op) const {
    Shape shape;
    for (const std::size_t axis : op.axes)
      shape.push_back(op.x.shape[static_cast<std::int64_t>(axis)]);
    return Shapes((op.scale ? 1 : 0) + (op.center ? 1 : 0), shape);
  }
  Shapes operator()(const Gather& op) const {
    return op.flows ? Shapes{} : Shapes{op.table().shape};
  }
  Shapes operator()(const ParamValue& op) const { return {op.y.shape}; }
  Shapes operator()(const BatchNormTraining& op) const {
    return Shapes((op.scale ? 1 : 0) + (op.center ? 1 : 0),
                  Shape{op.x.shape[static_cast<std::int64_t>(op.axis)]});
  }
  Shapes operator()(const BatchNormSums& op) const { return (*this)(op.of); }
  Shapes operator()(const BatchNormGradient& op) const { return (*this)(op.of); }
  Shapes operator()(const LayerNormGradient& op) const {
    LayerNorm scaled = op.of;
    scaled.center = false;
    return (*this)(scaled);
  }
  // What has no parameters is named, so that a new operation must say.
  Shapes operator()(const MatMul&) const { return {}; }
  Shapes operator()(const Pool2D&) const { return {}; }
  Shapes operator()(const Reduce&) const { return {}; }
  Shapes operator()(const UnaryOp&) const { return {}; }
  Shapes operator()(const BinaryOp&) const { return {}; }
  Shapes operator()(const Softmax&) const { return {}; }
  Shapes operator()(const Concat&) const { return {}; }
  Shapes operator()(const Pad&) const { return {}; }
  Shapes operator()(const Resize2D&) const { return {}; }
  Shapes operator()(const Transpose&) const { return {}; }
  Shapes operator()(const Reshape&) const { return {}; }
  Shapes operator()(const Argsort&) const { return {}; }
  Shapes operator()(const Cast&) const { return {}; }
  Shapes operator()(const Dropout&) const { return {}; }
  Shapes operator()(const Noise&) const { return {}; }
  Shapes operator()(const BatchNormStatistics&) const { return {}; }
  Shapes operator()(const Conv2DKernelGradient&) const { return {}; }
  Shapes operator()(const DenseKernelGradient&) const { return {}; }
  Shapes operator()(const Pool2DGradient&) const { return {}; }
  Shapes operator()(const ReduceGradient&) const { return {}; }
  Shapes operator()(const UnaryGradient&) const { return {}; }
  Shapes operator()(const BinaryGradient&) const { return {}; }
  Shapes operator()(const LayerNormSums&) const { return {}; }
  Shapes operator()(const SoftmaxGradient&) const { return {}; }
  Shapes operator()(const Resize2DGradient&) const { return {}; }
  Shapes operator()(const GatherGradient&) const { return {}; }
};

}  // namespace

std::vector<Shape> param_shapes(const OpSpec& spec) {
  return std::visit(ParamShapes{}, spec);
}

void check_params(const OpSpec& spec, std::span<const Tensor> params) {
  const std::vector<Shape> shapes = param_shapes(spec);
  if (params.size() != shapes.size()) {
    throw ValueError(describe(spec) + " takes " + std::to_string(shapes.size()) +
                     " parameters; received " + std::to_string(params.size()) + ".");
  }
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    if (params[i].shape() != shapes[i]) {
      throw ValueError("Parameter " + std::to_string(i) + " of " + describe(spec) + " has shape " +
                       shapes[i].str() + "; received " + params[i].shape().str() + ".");
    }
  }
}

}  // namespace lamina::ops

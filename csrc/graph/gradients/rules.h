#pragma once
#include "graph/gradients/adjoint.h"

// The gradient of each operation, as operations. A new operation needs a rule here: the compiler
// names it.
namespace lamina::graph::gradients {

void differentiate(const ops::Conv2D& op, Adjoint& at);
void differentiate(const ops::Conv2DTranspose& op, Adjoint& at);
void differentiate(const ops::Dense& op, Adjoint& at);

void differentiate(const ops::Pool2D& op, Adjoint& at);
void differentiate(const ops::Reduce& op, Adjoint& at);
void differentiate(const ops::Resize2D& op, Adjoint& at);

void differentiate(const ops::UnaryOp& op, Adjoint& at);
void differentiate(const ops::BinaryOp& op, Adjoint& at);
void differentiate(const ops::Softmax& op, Adjoint& at);
void differentiate(const ops::Cast& op, Adjoint& at);
void differentiate(const ops::Dropout& op, Adjoint& at);

void differentiate(const ops::BatchNorm& op, Adjoint& at);
void differentiate(const ops::BatchNormTraining& op, Adjoint& at);
void differentiate(const ops::LayerNorm& op, Adjoint& at);

void differentiate(const ops::Concat& op, Adjoint& at);
void differentiate(const ops::Pad& op, Adjoint& at);
void differentiate(const ops::Transpose& op, Adjoint& at);
void differentiate(const ops::Reshape& op, Adjoint& at);
void differentiate(const ops::Gather& op, Adjoint& at);
void differentiate(const ops::ParamValue& op, Adjoint& at);

// What only gradients are made of is not differentiated again. (Statistics are, together with the
// normalisation that reads them.)
void differentiate(const ops::BatchNormStatistics& op, Adjoint& at);
void differentiate(const ops::BatchNormSums& op, Adjoint& at);
void differentiate(const ops::BatchNormGradient& op, Adjoint& at);
void differentiate(const ops::Conv2DKernelGradient& op, Adjoint& at);
void differentiate(const ops::DenseKernelGradient& op, Adjoint& at);
void differentiate(const ops::Pool2DGradient& op, Adjoint& at);
void differentiate(const ops::ReduceGradient& op, Adjoint& at);
void differentiate(const ops::UnaryGradient& op, Adjoint& at);
void differentiate(const ops::BinaryGradient& op, Adjoint& at);
void differentiate(const ops::LayerNormGradient& op, Adjoint& at);
void differentiate(const ops::LayerNormSums& op, Adjoint& at);
void differentiate(const ops::SoftmaxGradient& op, Adjoint& at);
void differentiate(const ops::Resize2DGradient& op, Adjoint& at);
void differentiate(const ops::GatherGradient& op, Adjoint& at);

}  // namespace lamina::graph::gradients

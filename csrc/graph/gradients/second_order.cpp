#include "graph/gradients/rules.h"

namespace lamina::graph::gradients {
namespace {

constexpr const char* kWhy = "of its own: gradients are of the first order";

}  // namespace

void differentiate(const ops::BatchNormStatistics&, Adjoint& at) {
  at.refuse(kWhy);
}
void differentiate(const ops::BatchNormSums&, Adjoint& at) {
  at.refuse(kWhy);
}
void differentiate(const ops::BatchNormGradient&, Adjoint& at) {
  at.refuse(kWhy);
}
void differentiate(const ops::Conv2DKernelGradient&, Adjoint& at) {
  at.refuse(kWhy);
}
void differentiate(const ops::DenseKernelGradient&, Adjoint& at) {
  at.refuse(kWhy);
}
void differentiate(const ops::Pool2DGradient&, Adjoint& at) {
  at.refuse(kWhy);
}
void differentiate(const ops::ReduceGradient&, Adjoint& at) {
  at.refuse(kWhy);
}
void differentiate(const ops::UnaryGradient&, Adjoint& at) {
  at.refuse(kWhy);
}
void differentiate(const ops::BinaryGradient&, Adjoint& at) {
  at.refuse(kWhy);
}
void differentiate(const ops::LayerNormGradient&, Adjoint& at) {
  at.refuse(kWhy);
}
void differentiate(const ops::LayerNormSums&, Adjoint& at) {
  at.refuse(kWhy);
}
void differentiate(const ops::SoftmaxGradient&, Adjoint& at) {
  at.refuse(kWhy);
}
void differentiate(const ops::Resize2DGradient&, Adjoint& at) {
  at.refuse(kWhy);
}
void differentiate(const ops::GatherGradient&, Adjoint& at) {
  at.refuse(kWhy);
}

}  // namespace lamina::graph::gradients

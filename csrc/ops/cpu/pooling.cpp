#include "ops/cpu/kernels.h"
#include "ops/cpu/simple_kernel.h"

namespace lamina::ops::cpu {

KernelPtr make_pool2d(const dnnl::engine& engine, const Pool2D& op) {
  const auto algorithm = op.kind == Pool2D::Kind::kMax
                             ? dnnl::algorithm::pooling_max
                             : dnnl::algorithm::pooling_avg_exclude_padding;
  const dnnl::pooling_forward::desc desc(
      dnnl::prop_kind::forward_inference, algorithm, nhwc(op.x.shape), nhwc(op.y.shape),
      Dims{op.strides[0], op.strides[1]}, Dims{op.window[0], op.window[1]},
      Dims{op.pad_before[0], op.pad_before[1]}, Dims{op.pad_after[0], op.pad_after[1]});
  const dnnl::pooling_forward::primitive_desc primitive(desc, attributes(), engine);
  return std::make_unique<SimpleKernel<dnnl::pooling_forward>>(op, primitive, engine, false);
}

}  // namespace lamina::ops::cpu

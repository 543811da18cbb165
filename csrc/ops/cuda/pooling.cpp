#include "ops/cuda/kernels.h"

namespace lamina::ops::cuda {
namespace {

kernels::Geometry geometry(const Pool2D& op) {
  kernels::Geometry g{};
  g.images = op.x.shape[0];
  g.in_channels = g.out_channels = op.x.shape[3];
  for (int i = 0; i < 2; ++i) {
    g.in[i] = op.x.shape[i + 1];
    g.out[i] = op.y.shape[i + 1];
    g.window[i] = op.window[i];
    g.strides[i] = op.strides[i];
    g.dilation[i] = 1;
    g.before[i] = op.pad_before[i];
  }
  return g;
}

}  // namespace

/// Ours. cuDNN's are compiled at run time, seconds for each shape, and with cuDNN 9.19 on an H200
/// the average of bfloat16 was wrong where channels are odd in number.
KernelPtr make(const Site& site, const Pool2D& op) {
  kernels::PoolJob job{};
  job.dtype = op.y.dtype;
  job.max = op.kind == Pool2D::Kind::kMax;
  job.geometry = geometry(op);
  job.size = op.y.shape.size();
  return device_kernel(site, op, {.run = [job](const Call& call) mutable {
                         job.x = call.input(0);
                         job.y = call.output();
                         call.launch(job);
                       }});
}

/// Ours: cuDNN's gradient of the largest element goes by an index that its forward pass writes, and
/// that of the average, compiled at run time, is no more than this gathering.
KernelPtr make(const Site& site, const Pool2DGradient& op) {
  kernels::PoolGradientJob job{};
  job.dtype = op.y.dtype;
  job.max = op.of.kind == Pool2D::Kind::kMax;
  job.geometry = geometry(op.of);
  job.size = op.y.shape.size();
  return device_kernel(site, op, {.run = [job](const Call& call) mutable {
                         job.x = job.max ? call.input(0) : nullptr;
                         job.dy = call.input(job.max ? 1 : 0);
                         job.y = call.output();
                         call.launch(job);
                       }});
}

}  // namespace lamina::ops::cuda

#include "ops/cuda/kernels.h"
#include "ops/dropout_mask.h"
#include "ops/jobs/layouts.h"

namespace lamina::ops::cuda {

KernelPtr make(const Site& site, const UnaryOp& op) {
  kernels::UnaryJob job{op.y.dtype, jobs::function(op.activation), nullptr, nullptr,
                        op.y.shape.size()};
  return device_kernel(site, op,
                       {.run =
                            [job](const Call& call) mutable {
                              job.x = call.input(0);
                              job.y = call.output();
                              call.launch(job);
                            },
                        .in_place = {0}});
}

KernelPtr make(const Site& site, const UnaryGradient& op) {
  kernels::UnaryGradientJob job{};
  job.dtype = op.y.dtype;
  job.function = jobs::function(op.of.activation);
  job.from_output = op.from_output;
  job.size = op.y.shape.size();
  return device_kernel(site, op,
                       {.run =
                            [job](const Call& call) mutable {
                              job.x = call.input(0);
                              job.dy = call.input(1);
                              job.y = call.output();
                              call.launch(job);
                            },
                        .in_place = {0, 1}});
}

namespace {

kernels::Layout broadcast(const Shape& from, const Shape& to) {
  return jobs::layout(to.dims(), broadcast_strides(from, to));
}

/// Of what draws by the state that is its second input.
template <class Op, class Job>
KernelPtr drawing(const Site& site, const Op& op, Job job) {
  return device_kernel(site, op,
                       {.run =
                            [job](const Call& call) mutable {
                              job.x = call.input(0);
                              job.state = call.input(1);
                              job.y = call.output();
                              call.launch(job);
                            },
                        .in_place = {0}});
}

}  // namespace

KernelPtr make(const Site& site, const BinaryOp& op) {
  kernels::BinaryJob job{};
  job.dtype = op.y.dtype;
  job.kind = op.kind;
  job.function = jobs::function(op.activation);
  job.at0 = broadcast(op.x0.shape, op.y.shape);
  job.at1 = broadcast(op.x1.shape, op.y.shape);
  job.size = op.y.shape.size();
  std::vector<std::size_t> in_place;
  if (op.x0 == op.y) in_place.push_back(0);
  if (op.x1 == op.y) in_place.push_back(1);
  return device_kernel(site, op,
                       {.run =
                            [job](const Call& call) mutable {
                              job.x0 = call.input(0);
                              job.x1 = call.input(1);
                              job.y = call.output();
                              call.launch(job);
                            },
                        .in_place = in_place});
}

KernelPtr make(const Site& site, const BinaryGradient& op) {
  kernels::BinaryGradientJob job{};
  job.dtype = op.y.dtype;
  job.kind = op.of.kind;
  job.first = op.operand == 0;
  job.at0 = broadcast(op.of.x0.shape, op.y.shape);
  job.at1 = broadcast(op.of.x1.shape, op.y.shape);
  job.size = op.y.shape.size();
  return device_kernel(site, op, {.run = [job](const Call& call) mutable {
                         job.x0 = call.input(0);
                         job.x1 = call.input(1);
                         job.dy = call.input(2);
                         job.y = call.output();
                         call.launch(job);
                       }});
}

KernelPtr make(const Site& site, const Cast& op) {
  kernels::CastJob job{op.x.dtype, op.y.dtype, nullptr, nullptr, op.y.shape.size()};
  return device_kernel(site, op, {.run = [job](const Call& call) mutable {
                         job.x = call.input(0);
                         job.y = call.output();
                         call.launch(job);
                       }});
}

// By a kernel, in order with those that still read what lay there.
KernelPtr make(const Site& site, const ParamValue& op) {
  kernels::CopyJob job{};
  job.element = dtype_size(op.y.dtype);
  job.size = op.y.shape.size();
  job.to = jobs::dense(job.size);
  job.from = job.to;
  return device_kernel(site, op,
                       {.run =
                            [job](const Call& call) mutable {
                              job.x = call.param(0);
                              job.y = call.output();
                              call.launch(job);
                            },
                        .packing = {{op.y.dtype}}});
}

KernelPtr make(const Site& site, const Dropout& op) {
  kernels::DropoutJob job{};
  job.dtype = op.y.dtype;
  job.size = op.y.shape.size();
  job.scale = 1 / (1 - op.rate);
  job.stream = op.stream;
  job.threshold = dropout_threshold(op.rate);
  return drawing(site, op, job);
}

KernelPtr make(const Site& site, const Noise& op) {
  kernels::NoiseJob job{};
  job.dtype = op.y.dtype;
  job.factor = op.kind == Noise::Kind::kFactor;
  job.size = op.y.shape.size();
  job.stddev = op.stddev;
  job.stream = op.stream;
  return drawing(site, op, job);
}

}  // namespace lamina::ops::cuda

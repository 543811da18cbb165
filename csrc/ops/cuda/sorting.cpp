#include "ops/cuda/kernels.h"

namespace lamina::ops::cuda {

KernelPtr make(const Site& site, const Argsort& op) {
  kernels::ArgsortJob job{};
  job.dtype = op.x.dtype;
  job.descending = op.descending;
  job.lines = {op.x.shape.size() / op.x.shape[-1], op.x.shape[-1]};
  const std::size_t bytes =
      2 * static_cast<std::size_t>(job.lines.elements()) * sizeof(kernels::Placed);
  return device_kernel(site, op,
                       {.run =
                            [job](const Call& call) mutable {
                              job.x = call.input(0);
                              job.y = static_cast<std::int32_t*>(call.output());
                              job.sorted = reinterpret_cast<kernels::Placed*>(call.workspace());
                              call.launch(job);
                            },
                        .workspace = bytes});
}

}  // namespace lamina::ops::cuda

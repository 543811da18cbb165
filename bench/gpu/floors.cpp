#include "bench/gpu/floors.h"

#include <algorithm>

namespace lamina::bench {
namespace {

double floor_of(const ops::Conv2D& op, const Speeds& speeds) {
  const double taps = static_cast<double>(op.kernel[0] * op.kernel[1]);
  const double channels = static_cast<double>(op.x.shape[-1] / op.groups);
  const double flops = 2 * static_cast<double>(op.y.shape.size()) * taps * channels;
  const double kernel = taps * channels * static_cast<double>(op.y.shape[-1]) *
                        static_cast<double>(dtype_size(op.y.dtype));
  const double bytes = static_cast<double>(op.x.nbytes() + op.y.nbytes()) + kernel;
  return std::max(flops / speeds.flops, bytes / speeds.bytes);
}

}  // namespace

double convolution_floor(const graph::Program& program, const Speeds& speeds) {
  double seconds = 0;
  for (const graph::Op& op : program.ops) {
    if (const auto* conv = std::get_if<ops::Conv2D>(&op.spec)) seconds += floor_of(*conv, speeds);
  }
  return seconds;
}

}  // namespace lamina::bench

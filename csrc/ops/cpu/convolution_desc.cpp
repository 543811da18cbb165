#include "ops/cpu/convolution_desc.h"

namespace lamina::ops::cpu {

Dims dilation_of(const Pair& dilation) {
  return {dilation[0] - 1, dilation[1] - 1};
}

Dims dims(const Pair& pair) {
  return {pair[0], pair[1]};
}

dnnl::memory::desc kernel_desc(const Conv2D& op) {
  const std::int64_t channels = op.x.shape[3] / op.groups;
  const std::int64_t filters = op.y.shape[3];
  const std::int64_t row = op.kernel[1] * channels * filters;
  const std::int64_t column = channels * filters;
  const auto f32 = dnnl::memory::data_type::f32;
  if (op.groups == 1) {
    return {Dims{filters, channels, op.kernel[0], op.kernel[1]}, f32,
            Dims{1, filters, row, column}};
  }
  const std::int64_t each = filters / op.groups;
  return {Dims{op.groups, each, channels, op.kernel[0], op.kernel[1]}, f32,
          Dims{each, 1, filters, row, column}};
}

bool misses_the_image(const Conv2D& op) {
  for (int i = 0; i < 2; ++i) {
    for (std::int64_t out = 0; out < op.y.shape[i + 1]; ++out) {
      bool reached = false;
      for (std::int64_t tap = 0; tap < op.kernel[i]; ++tap) {
        const std::int64_t in = out * op.strides[i] - op.pad_before[i] + tap * op.dilation[i];
        reached = reached || (in >= 0 && in < op.x.shape[i + 1]);
      }
      if (!reached) return true;
    }
  }
  return false;
}

}  // namespace lamina::ops::cpu

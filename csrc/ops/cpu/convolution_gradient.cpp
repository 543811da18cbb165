#include <algorithm>
#include <cstring>

#include "ops/cpu/convolution_desc.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/onednn.h"
#include "ops/cpu/parallel.h"

namespace lamina::ops::cpu {
namespace {

using Backward = dnnl::convolution_backward_weights;

Backward::primitive_desc describe_backward(const dnnl::engine& engine, const Conv2D& op) {
  const dnnl::memory::desc x = nhwc(op.x.shape), y = nhwc(op.y.shape);
  const dnnl::memory::desc kernel = any(kernel_desc(op).dims());
  const auto algorithm = dnnl::algorithm::convolution_direct;
  const Dims strides = dims(op.strides), dilation = dilation_of(op.dilation);
  const Dims before = dims(op.pad_before), after = dims(op.pad_after);
  const dnnl::convolution_forward::primitive_desc forward(
      {dnnl::prop_kind::forward_training, algorithm, x, kernel, y, strides, dilation, before,
       after},
      attributes(), engine);
  return {
      {algorithm, x, kernel, y, strides, dilation, before, after}, attributes(), engine, forward};
}

/// oneDNN 2.6's 1x1 kernels first gather the pixels that strides leave, 16 channels at a time, into
/// memory that has no room for a last part of 16: sums are wrong then, and what lies behind is
/// written to. So the pixels are gathered here.
bool needs_gathering(const Conv2D& op) {
  constexpr std::int64_t kBlock = 16;
  return op.kernel == Pair{1, 1} && op.strides != Pair{1, 1} && op.x.shape[3] % kBlock != 0 &&
         op.pad_before == Pair{0, 0};
}

/// The same convolution of gathered pixels.
Conv2D without_strides(const Conv2D& op) {
  Conv2D out = op;
  out.strides = {1, 1};
  out.pad_after = {0, 0};
  out.x.shape = {op.y.shape[0], op.y.shape[1], op.y.shape[2], op.x.shape[3]};
  return out;
}

/// Zeros where padding behind the image is read.
void gather_pixels(const Conv2D& op, const float* x, float* out) {
  const std::int64_t rows = op.y.shape[1], columns = op.y.shape[2], channels = op.x.shape[3];
  const std::int64_t height = op.x.shape[1], width = op.x.shape[2];
  const std::int64_t reached = std::min(columns, (width + op.strides[1] - 1) / op.strides[1]);
  const auto bytes = static_cast<std::size_t>(channels) * sizeof(float);
  parallel_ranges(op.y.shape[0] * rows, columns * channels,
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t i = begin; i < end; ++i) {
                      const std::int64_t row = i % rows * op.strides[0];
                      const std::int64_t inside = row < height ? reached : 0;
                      const std::int64_t from = (i / rows * height + row) * width;
                      float* const to = out + i * columns * channels;
                      for (std::int64_t k = 0; k < inside; ++k) {
                        const std::int64_t pixel = from + k * op.strides[1];
                        std::memcpy(to + k * channels, x + pixel * channels, bytes);
                      }
                      std::fill(to + inside * channels, to + columns * channels, 0.0F);
                    }
                  });
}

/// The gradient in oneDNN's own layout, then reordered to Keras's.
class KernelGradient final : public Kernel {
 public:
  KernelGradient(const dnnl::engine& engine, const Conv2DKernelGradient& op)
      : KernelGradient(
            engine, op,
            describe_backward(engine, needs_gathering(op.of) ? without_strides(op.of) : op.of)) {}
  [[nodiscard]] std::size_t workspace_bytes() const override {
    return pixels_offset() + gathered_bytes_;
  }
  void run(const KernelArgs& args) override {
    checked(op_, [&] {
      const void* x = args.inputs[0];
      if (gathered_bytes_ != 0) {
        auto* pixels = static_cast<std::byte*>(args.workspace) + pixels_offset();
        gather_pixels(op_.of, static_cast<const float*>(x), reinterpret_cast<float*>(pixels));
        x = pixels;
      }
      primitive_.set(DNNL_ARG_SRC, x);
      primitive_.set(DNNL_ARG_DIFF_DST, args.inputs[1]);
      primitive_.execute_together(args.workspace);
      primitive_.store(DNNL_ARG_DIFF_WEIGHTS, kernel_desc(op_.of), args.outputs[0]);
    });
  }

 private:
  KernelGradient(const dnnl::engine& engine, const Conv2DKernelGradient& op,
                 const Backward::primitive_desc& desc)
      : op_(op),
        gathered_bytes_(needs_gathering(op.of) ? desc.src_desc().get_size() : 0),
        primitive_(primitive<Backward>(desc, engine)) {
    primitive_.bind(DNNL_ARG_SRC, desc.src_desc());
    primitive_.bind(DNNL_ARG_DIFF_DST, desc.diff_dst_desc());
    primitive_.own(DNNL_ARG_DIFF_WEIGHTS, desc.diff_weights_desc());
  }
  [[nodiscard]] std::size_t pixels_offset() const {
    return (primitive_.scratchpad_bytes() + 63) / 64 * 64;
  }

  Conv2DKernelGradient op_;
  std::size_t gathered_bytes_;  ///< 0: nothing has to be gathered
  Primitive primitive_;
};

}  // namespace

KernelPtr make_conv2d_kernel_gradient(const dnnl::engine& engine, const Conv2DKernelGradient& op) {
  return std::make_unique<KernelGradient>(engine, op);
}

}  // namespace lamina::ops::cpu

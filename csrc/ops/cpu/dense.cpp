#include "ops/cpu/kernels.h"
#include "ops/cpu/onednn.h"
#include "ops/cpu/parallel.h"
#include "ops/cpu/product_kernel.h"
#include "ops/params.h"

namespace lamina::ops::cpu {
namespace {

using Forward = dnnl::inner_product_forward;

struct Sizes {
  std::int64_t rows, depth, units;
  explicit Sizes(const Dense& op)
      : rows(op.y.shape.size() / op.y.shape[-1]), depth(op.x.shape[-1]), units(op.y.shape[-1]) {}
};

/// Keras's kernel (K, N), or transposed (N, K), as oneDNN's logical N, K.
dnnl::memory::desc kernel_desc(const Sizes& sizes, bool transposed) {
  return {Dims{sizes.units, sizes.depth}, dnnl::memory::data_type::f32,
          transposed ? Dims{sizes.depth, 1} : Dims{1, sizes.units}};
}

Forward::primitive_desc describe_forward(const dnnl::engine& engine, const Dense& op,
                                         const dnnl::post_ops& post_ops) {
  const Sizes sizes(op);
  const Forward::desc desc(dnnl::prop_kind::forward_inference, dense({sizes.rows, sizes.depth}),
                           any({sizes.units, sizes.depth}),
                           op.bias ? dense({sizes.units}) : dnnl::memory::desc(),
                           dense({sizes.rows, sizes.units}));
  return {desc, attributes(post_ops), engine};
}

class DenseKernel final : public Kernel {
 public:
  DenseKernel(const dnnl::engine& engine, const Dense& op, const dnnl::post_ops& post_ops,
              bool fused)
      : DenseKernel(engine, op, fused, describe_forward(engine, op, post_ops)) {}

  void load_parameters(std::span<const Tensor> params) override {
    check_params(op_, params);
    checked(op_, [&] {
      primitive_.load(DNNL_ARG_WEIGHTS, kernel_desc(Sizes(op_), op_.transposed), params[0]);
      if (op_.bias) primitive_.load(DNNL_ARG_BIAS, dense({op_.y.shape[-1]}), params[1]);
    });
  }
  [[nodiscard]] std::size_t workspace_bytes() const override {
    return primitive_.scratchpad_bytes();
  }
  void run(const KernelArgs& args) override {
    checked(op_, [&] {
      primitive_.set(DNNL_ARG_SRC, args.inputs[0]);
      primitive_.set(DNNL_ARG_DST, args.outputs[0]);
      primitive_.execute(args.workspace);
    });
    if (!fused_) {
      finish(op_.activation, op_.residual ? static_cast<const float*>(args.inputs[1]) : nullptr,
             static_cast<float*>(args.outputs[0]), op_.y.shape.size());
    }
  }

 private:
  DenseKernel(const dnnl::engine& engine, const Dense& op, bool fused,
              const Forward::primitive_desc& desc)
      : op_(op), fused_(fused), primitive_(primitive<Forward>(desc, engine)) {
    primitive_.bind_layer(desc);
  }

  Dense op_;
  bool fused_;
  Primitive primitive_;
};

/// dy and x as matrices: kernel = x^T dy.
dnnl::matmul::primitive_desc describe_kernel_gradient(const dnnl::engine& engine,
                                                      const Sizes& sizes) {
  const dnnl::memory::desc x_transposed{Dims{sizes.depth, sizes.rows}, dnnl::memory::data_type::f32,
                                        Dims{1, sizes.depth}};
  const dnnl::matmul::desc desc(x_transposed, dense({sizes.rows, sizes.units}),
                                dense({sizes.depth, sizes.units}));
  return {desc, attributes(), engine};
}

}  // namespace

KernelPtr make_dense_kernel_gradient(const dnnl::engine& engine, const DenseKernelGradient& op) {
  return std::make_unique<ProductKernel>(op, describe_kernel_gradient(engine, Sizes(op.of)),
                                         engine);
}

KernelPtr make_dense(const dnnl::engine& engine, const Dense& op) {
  dnnl::post_ops post_ops;
  const bool fused = !op.residual && append_activation(post_ops, op.activation);
  return std::make_unique<DenseKernel>(engine, op, post_ops, fused);
}

}  // namespace lamina::ops::cpu

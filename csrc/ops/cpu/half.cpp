#include <cstddef>
#include <vector>

#include "core/compute_dtype.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/parallel.h"
#include "ops/cpu/vectorized.h"
#include "ops/op_info.h"

namespace lamina::ops::cpu {
namespace {

bool is_half(DType dtype) {
  return core::compute_dtype(dtype) != dtype;
}

template <class From, class To>
void convert(const void* from, void* to, std::int64_t size) {
  const auto* x = static_cast<const From*>(from);
  auto* y = static_cast<To*>(to);
  const auto body = [=](std::int64_t begin, std::int64_t end) LAMINA_ALWAYS_INLINE {
    for (std::int64_t i = begin; i < end; ++i) y[i] = static_cast<To>(static_cast<float>(x[i]));
  };
  parallel_ranges(size, 1,
                  [&](std::int64_t begin, std::int64_t end) { vectorized(body, begin, end); });
}

void widen(DType dtype, const void* from, void* to, std::int64_t size) {
  if (dtype == DType::kFloat16) return convert<float16, float>(from, to, size);
  convert<bfloat16, float>(from, to, size);
}

void narrow(DType dtype, const void* from, void* to, std::int64_t size) {
  if (dtype == DType::kFloat16) return convert<float, float16>(from, to, size);
  convert<float, bfloat16>(from, to, size);
}

std::size_t aligned(std::size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

/// Workspace: the inner kernel's, then each widened input, then the wide output.
class HalfAdapter final : public Kernel {
 public:
  HalfAdapter(const OpSpec& spec, KernelPtr inner)
      : inner_(std::move(inner)), inputs_(input_specs(spec)), output_(output_spec(spec)) {
    std::size_t offset = aligned(inner_->workspace_bytes());
    for (const TensorSpec& input : inputs_) {
      offsets_.push_back(offset);
      if (is_half(input.dtype)) offset += wide_bytes(input);
    }
    output_offset_ = offset;
    bytes_ = offset + (is_half(output_.dtype) ? wide_bytes(output_) : 0);
    wide_inputs_.resize(inputs_.size());
  }

  void load_parameters(std::span<const Tensor> params) override { inner_->load_parameters(params); }
  [[nodiscard]] std::size_t workspace_bytes() const override { return bytes_; }
  void run(const KernelArgs& args) override {
    auto* workspace = static_cast<std::byte*>(args.workspace);
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      wide_inputs_[i] = args.inputs[i];
      if (!is_half(inputs_[i].dtype)) continue;
      void* wide = workspace + offsets_[i];
      widen(inputs_[i].dtype, args.inputs[i], wide, inputs_[i].shape.size());
      wide_inputs_[i] = wide;
    }
    void* wide_output = is_half(output_.dtype) ? workspace + output_offset_ : args.outputs[0];
    inner_->run({wide_inputs_, {&wide_output, 1}, workspace});
    if (wide_output == args.outputs[0]) return;
    narrow(output_.dtype, wide_output, args.outputs[0], output_.shape.size());
  }

 private:
  static std::size_t wide_bytes(const TensorSpec& spec) {
    return aligned(static_cast<std::size_t>(spec.shape.size()) * sizeof(float));
  }

  KernelPtr inner_;
  std::vector<TensorSpec> inputs_;
  TensorSpec output_;
  std::vector<std::size_t> offsets_;
  std::size_t output_offset_ = 0, bytes_ = 0;
  std::vector<const void*> wide_inputs_;
};

void widen_spec(TensorSpec& spec) {
  if (is_half(spec.dtype)) spec.dtype = DType::kFloat32;
}

// Each is named, so that a new operation must say what it reads.
struct WidenInputs {
  void operator()(BinaryOp& op) const {
    widen_spec(op.x0);
    widen_spec(op.x1);
  }
  void operator()(MatMul& op) const {
    widen_spec(op.x0);
    widen_spec(op.x1);
  }
  void operator()(Concat& op) const {
    for (TensorSpec& x : op.xs) widen_spec(x);
  }
  void operator()(Gather& op) const { widen_spec(op.ids); }  // its table is of y's dtype
  void operator()(ParamValue&) const {}
  void operator()(BatchNormTraining& op) const {
    widen_spec(op.x);
    widen_spec(op.statistics);
  }
  void operator()(BatchNormGradient& op) const {
    widen_all(op.of);
    widen_spec(op.sums);
  }
  void operator()(Conv2D& op) const { widen_spec(op.x); }
  void operator()(Conv2DTranspose& op) const { widen_spec(op.x); }
  void operator()(Dense& op) const { widen_spec(op.x); }
  void operator()(Pool2D& op) const { widen_spec(op.x); }
  void operator()(Reduce& op) const { widen_spec(op.x); }
  void operator()(UnaryOp& op) const { widen_spec(op.x); }
  void operator()(BatchNorm& op) const { widen_spec(op.x); }
  void operator()(LayerNorm& op) const { widen_spec(op.x); }
  void operator()(Softmax& op) const { widen_spec(op.x); }
  void operator()(Pad& op) const { widen_spec(op.x); }
  void operator()(Resize2D& op) const { widen_spec(op.x); }
  void operator()(Transpose& op) const { widen_spec(op.x); }
  void operator()(Reshape& op) const { widen_spec(op.x); }
  void operator()(Argsort& op) const { widen_spec(op.x); }
  void operator()(Cast& op) const { widen_spec(op.x); }
  void operator()(Dropout& op) const { widen_spec(op.x); }
  void operator()(Noise& op) const { widen_spec(op.x); }
  void operator()(BatchNormStatistics& op) const { widen_spec(op.x); }
  void operator()(BatchNormSums& op) const { widen_all(op.of); }
  void operator()(Conv2DKernelGradient& op) const { widen_all(op.of); }
  void operator()(DenseKernelGradient& op) const { widen_all(op.of); }
  void operator()(Pool2DGradient& op) const { widen_all(op.of); }
  void operator()(ReduceGradient& op) const { widen_all(op.of); }
  void operator()(UnaryGradient& op) const { widen_all(op.of); }
  void operator()(BinaryGradient& op) const { widen_all(op.of); }
  void operator()(LayerNormGradient& op) const { widen_all(op.of); }
  void operator()(LayerNormSums& op) const { widen_all(op.of); }
  void operator()(SoftmaxGradient& op) const { widen_all(op.of); }
  void operator()(Resize2DGradient& op) const { widen_all(op.of); }
  void operator()(GatherGradient& op) const { widen_all(op.of); }

 private:
  template <class Op>
  void widen_all(Op& op) const {
    (*this)(op);
    widen_spec(op.y);
  }
};

}  // namespace

OpSpec widened(OpSpec spec) {
  std::visit(WidenInputs{}, spec);
  std::visit([](auto& op) { widen_spec(op.y); }, spec);
  return spec;
}

KernelPtr make_half_adapter(const OpSpec& spec, KernelPtr inner) {
  return std::make_unique<HalfAdapter>(spec, std::move(inner));
}

}  // namespace lamina::ops::cpu

#include "ops/cuda/host_engine.h"

#include <lamina/error.h>
#include <lamina/tensor.h>

#include <algorithm>

#include "core/compute_dtype.h"
#include "ops/jobs/run_on_host.h"
#include "ops/reference/evaluate.h"

namespace lamina::ops::cuda {
namespace {

using Direction = LibraryConvolution::Direction;

constexpr std::int64_t kTooManyMatrices = 1 << 16;  ///< for cuBLASLt

/// The parameters of the reference: widened, and in its order.
Tensor parameter(const void* data, const Shape& shape, DType dtype) {
  const Tensor here = Tensor::view(const_cast<void*>(data), shape, dtype, nullptr);
  return here.cast(core::compute_dtype(dtype));
}

Shape kernel_shape(const LibraryConvolution& op) {
  return {op.y[3], op.kernel[0], op.kernel[1], op.x[3] / op.groups};
}

/// (F, KH, KW, C/groups) as (KH, KW, C/groups, F), or back.
void reorder(const Tensor& from, const void* data, std::vector<std::size_t> perm, void* to) {
  Transpose op{{from.shape(), from.dtype()}, {{}, from.dtype()}, std::move(perm)};
  for (const std::size_t axis : op.perm) op.y.shape.push_back(from.shape().dims()[axis]);
  const void* inputs[] = {data};
  reference::evaluate(op, {inputs, {}, to});
}

Tensor layer_kernel(const LibraryConvolution& op, const void* data) {
  const Tensor stored = parameter(data, kernel_shape(op), op.dtype);
  Tensor out =
      Tensor::empty({op.kernel[0], op.kernel[1], op.x[3] / op.groups, op.y[3]}, stored.dtype());
  reorder(stored, stored.raw(), {1, 2, 3, 0}, out.raw());
  return out;
}

Conv2D forward(const LibraryConvolution& op) {
  Conv2D conv{.x = {op.x, op.dtype}, .y = {op.y, op.dtype}};
  conv.kernel = op.kernel;
  conv.strides = op.strides;
  conv.dilation = op.dilation;
  conv.pad_before = op.before;
  conv.pad_after = op.after;
  conv.groups = op.groups;
  conv.bias = op.bias;
  conv.activation = op.activation;
  return conv;
}

void run(const LibraryConvolution& op, const LibraryArgs& args) {
  const Conv2D conv = forward(op);
  if (op.direction == Direction::kKernel) {
    Tensor kernel =
        Tensor::empty({op.kernel[0], op.kernel[1], op.x[3] / op.groups, op.y[3]}, op.dtype);
    const void* inputs[] = {args.first, args.second};
    reference::evaluate(Conv2DKernelGradient{conv, {kernel.shape(), op.dtype}},
                        {inputs, {}, kernel.raw()});
    reorder(kernel, kernel.raw(), {3, 0, 1, 2}, args.result);
    return;
  }
  std::vector<Tensor> params{layer_kernel(op, args.second)};
  const void* inputs[] = {args.first};
  if (op.direction == Direction::kForward) {
    if (op.bias) params.push_back(parameter(args.bias, {op.y[3]}, op.dtype));
    reference::evaluate(conv, {inputs, params, args.result});
    return;
  }
  Conv2DTranspose transpose{.x = conv.y, .y = conv.x};
  transpose.kernel = op.kernel;
  transpose.strides = op.strides;
  transpose.dilation = op.dilation;
  transpose.pad_before = op.before;
  transpose.groups = op.groups;
  reference::evaluate(transpose, {inputs, params, args.result});
}

void run(const LibraryProduct& op, const LibraryArgs& args) {
  kernels::ProductJob job{};
  job.dtype = op.dtype;
  job.transpose_a = op.transpose_a;
  job.transpose_b = op.transpose_b;
  job.b_like_a = true;
  job.rows = op.rows;
  job.columns = op.columns;
  job.depth = op.depth;
  job.matrices = op.matrices;
  job.wide_c = op.wide;
  job.a = args.first;
  job.b = args.second;
  Tensor bias;
  if (op.bias) {
    bias = parameter(args.bias, {op.columns}, op.dtype);
    job.bias = bias.raw();
  }
  job.c = args.result;
  if (op.relu) job.function = {kernels::UnaryKind::kRelu, 0, relu().b, 0};
  if (op.scale != 1) job.function = {kernels::UnaryKind::kScaleShift, op.scale, 0, 0};
  jobs::run_on_host(job);
}

void run(const LibraryNorm& op, const LibraryArgs& args) {
  const TensorSpec rows{{op.rows, op.width}, op.dtype};
  const LayerNorm norm{.x = rows, .y = rows, .axes = {1}, .epsilon = op.epsilon};
  const std::vector<Tensor> params{parameter(args.second, {op.width}, DType::kFloat32),
                                   parameter(args.bias, {op.width}, DType::kFloat32)};
  const void* inputs[] = {args.first};
  reference::evaluate(norm, {inputs, params, args.result});
}

/// Throws as a library fails that was told how its operands lie.
void require_aligned(const LibraryOp& op, const LibraryArgs& args) {
  for (const void* operand : {args.first, args.second, static_cast<const void*>(args.result)}) {
    if (reinterpret_cast<std::uintptr_t>(operand) % kOperandAlignment == 0) continue;
    throw DeviceError("HostPlan::run", "misaligned operand", describe(op),
                      SourceLocation::current());
  }
}

/// The operation by its definition. The workspace is asked for and poisoned, as a library's is
/// undefined.
class HostPlan final : public LibraryPlan {
 public:
  explicit HostPlan(LibraryOp op) : op_(std::move(op)) {}
  [[nodiscard]] std::size_t workspace_bytes() const override { return kWorkspace; }
  void run(runtime::Stream& stream, const LibraryArgs& args) override {
    require_aligned(op_, args);
    stream.call([op = op_, args] {
      auto* workspace = static_cast<unsigned char*>(args.workspace);
      std::fill(workspace, workspace + kWorkspace, static_cast<unsigned char>(0xff));
      std::visit([&](const auto& each) { cuda::run(each, args); }, op);
    });
  }

 private:
  static constexpr std::size_t kWorkspace = 1000;
  LibraryOp op_;
};

}  // namespace

void HostEngine::launch(runtime::Stream& stream, const kernels::Job& job) {
  stream.call([job] { jobs::run_on_host(job); });
}

std::shared_ptr<LibraryPlan> HostEngine::plan(const LibraryOp& op) {
  if (!libraries_) return nullptr;
  if (const auto* convolution = std::get_if<LibraryConvolution>(&op)) {
    if (convolution->before != convolution->after) return nullptr;
    const Activation& activation = convolution->activation;
    if (activation != Activation{} && activation != relu()) return nullptr;
  }
  if (const auto* product = std::get_if<LibraryProduct>(&op)) {
    if (product->matrices >= kTooManyMatrices) return nullptr;
  }
  return std::make_shared<HostPlan>(op);
}

}  // namespace lamina::ops::cuda

// How long the hot operations of EfficientNetV2L at 480x480 take, and what the alternatives would
// cost: the same convolution with every layout left to oneDNN, with Keras's own kernel layout, and,
// where it is 1x1, as an inner product. Usage: bench_ops [batch]; set OMP_NUM_THREADS.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <dnnl.hpp>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ops/backend.h"
#include "ops/op_info.h"
#include "ops/params.h"

using namespace lamina;
using namespace lamina::ops;

namespace {

/// The least of many runs, in microseconds: what the machine can do when nothing else runs.
double time_us(const std::function<void()>& run) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(250);
  double best = 1e300;
  for (int i = 0; i < 4 || Clock::now() < deadline; ++i) {
    const auto start = Clock::now();
    run();
    best = std::min(best, std::chrono::duration<double, std::micro>(Clock::now() - start).count());
  }
  return best;
}

double time_kernel(Backend& backend, const OpSpec& spec) {
  const KernelPtr kernel = backend.make(spec);
  std::vector<Tensor> params;
  for (const Shape& shape : param_shapes(spec)) params.push_back(Tensor::zeros(shape));
  kernel->load_parameters(params);
  std::vector<Tensor> inputs;
  std::vector<const void*> pointers;
  for (const TensorSpec& input : input_specs(spec)) {
    inputs.push_back(Tensor::zeros(input.shape));
    pointers.push_back(inputs.back().raw());
  }
  Tensor output = Tensor::zeros(output_spec(spec).shape);
  Tensor workspace =
      Tensor::zeros({static_cast<std::int64_t>(kernel->workspace_bytes())}, DType::kUInt8);
  void* target = output.raw();
  return time_us([&] { kernel->run({pointers, {&target, 1}, workspace.raw()}); });
}

using Dims = dnnl::memory::dims;
using Tag = dnnl::memory::format_tag;

dnnl::memory::desc f32(const Dims& dims, Tag tag) {
  return {dims, dnnl::memory::data_type::f32, tag};
}

dnnl::primitive_attr epilogue(const Activation& activation) {
  dnnl::post_ops ops;
  if (activation.kind == Unary::kSilu) ops.append_eltwise(1, dnnl::algorithm::eltwise_swish, 1, 0);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(ops);
  return attributes;
}

template <class Primitive, class Desc>
double time_primitive(const dnnl::engine& engine, const Desc& desc) {
  dnnl::stream stream(engine);
  std::unordered_map<int, dnnl::memory> arguments{{DNNL_ARG_SRC, {desc.src_desc(), engine}},
                                                  {DNNL_ARG_WEIGHTS, {desc.weights_desc(), engine}},
                                                  {DNNL_ARG_BIAS, {desc.bias_desc(), engine}},
                                                  {DNNL_ARG_DST, {desc.dst_desc(), engine}}};
  for (auto& [argument, memory] : arguments) {
    std::fill_n(static_cast<char*>(memory.get_data_handle()), memory.get_desc().get_size(), 0);
  }
  const Primitive primitive(desc);
  return time_us([&] {
    primitive.execute(stream, arguments);
    stream.wait();
  });
}

double time_raw_conv(const dnnl::engine& engine, const Conv2D& op, Tag images, Tag kernel) {
  const std::int64_t groups = op.groups;
  const std::int64_t channels = op.x.shape[3];
  const std::int64_t filters = op.y.shape[3];
  const Dims kernel_dims =
      groups == 1 ? Dims{filters, channels, op.kernel[0], op.kernel[1]}
                  : Dims{groups, filters / groups, channels / groups, op.kernel[0], op.kernel[1]};
  const dnnl::convolution_forward::desc desc(
      dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
      f32({op.x.shape[0], channels, op.x.shape[1], op.x.shape[2]}, images),
      f32(kernel_dims, kernel), f32({filters}, Tag::a),
      f32({op.y.shape[0], filters, op.y.shape[1], op.y.shape[2]}, images),
      {op.strides[0], op.strides[1]}, {op.pad_before[0], op.pad_before[1]},
      {op.pad_after[0], op.pad_after[1]});
  return time_primitive<dnnl::convolution_forward>(
      engine, dnnl::convolution_forward::primitive_desc(desc, epilogue(op.activation), engine));
}

double time_inner_product(const dnnl::engine& engine, const Conv2D& op) {
  const std::int64_t rows = op.x.shape[0] * op.x.shape[1] * op.x.shape[2];
  const dnnl::inner_product_forward::desc desc(
      dnnl::prop_kind::forward_inference, f32({rows, op.x.shape[3]}, Tag::ab),
      f32({op.y.shape[3], op.x.shape[3]}, Tag::any), f32({op.y.shape[3]}, Tag::a),
      f32({rows, op.y.shape[3]}, Tag::ab));
  return time_primitive<dnnl::inner_product_forward>(
      engine, dnnl::inner_product_forward::primitive_desc(desc, epilogue(op.activation), engine));
}

double time_matmul(const dnnl::engine& engine, const Conv2D& op) {
  const std::int64_t rows = op.x.shape[0] * op.x.shape[1] * op.x.shape[2];
  const dnnl::matmul::desc desc(
      f32({rows, op.x.shape[3]}, Tag::ab), f32({op.x.shape[3], op.y.shape[3]}, Tag::any),
      f32({1, op.y.shape[3]}, Tag::ab), f32({rows, op.y.shape[3]}, Tag::ab));
  return time_primitive<dnnl::matmul>(
      engine, dnnl::matmul::primitive_desc(desc, epilogue(op.activation), engine));
}

Conv2D conv(std::int64_t batch, std::int64_t size, std::int64_t channels, std::int64_t filters,
            std::int64_t kernel, std::int64_t stride, std::int64_t groups, bool silu = true) {
  const std::int64_t out = (size + stride - 1) / stride;
  const std::int64_t pad = std::max<std::int64_t>(0, (out - 1) * stride + kernel - size);
  Conv2D op;
  op.x.shape = {batch, size, size, channels};
  op.y.shape = {batch, out, out, filters};
  op.kernel = {kernel, kernel};
  op.strides = {stride, stride};
  op.pad_before = {pad / 2, pad / 2};
  op.pad_after = {pad - pad / 2, pad - pad / 2};
  op.groups = groups;
  op.bias = true;
  if (silu) op.activation = {Unary::kSilu};
  return op;
}

std::string cell(std::optional<double> us) {
  return us ? fmt::format("{:10.0f}", *us) : fmt::format("{:>10}", "-");
}

template <class F>
std::optional<double> attempt(F&& f) {
  try {
    return f();
  } catch (const dnnl::error&) {
    return std::nullopt;  // oneDNN has no such implementation
  }
}

void convolution_row(Backend& backend, const dnnl::engine& engine, const std::string& name,
                     const Conv2D& op) {
  const double ours = time_kernel(backend, op);
  const bool grouped = op.groups > 1;
  const auto raw = attempt([&] { return time_raw_conv(engine, op, Tag::nhwc, Tag::any); });
  const auto blocked = attempt([&] { return time_raw_conv(engine, op, Tag::any, Tag::any); });
  const auto hwio = attempt(
      [&] { return time_raw_conv(engine, op, Tag::nhwc, grouped ? Tag::hwigo : Tag::hwio); });
  std::optional<double> product;
  std::optional<double> matmul;
  if (!grouped && op.kernel == Pair{1, 1} && op.strides == Pair{1, 1}) {
    product = attempt([&] { return time_inner_product(engine, op); });
    matmul = attempt([&] { return time_matmul(engine, op); });
  }
  const double flops = 2.0 * static_cast<double>(op.y.shape.size() * op.kernel[0] * op.kernel[1] *
                                                 op.x.shape[3] / op.groups);
  fmt::print("{:34}{:10.0f}{:9.1f}{}{}{}{}{}\n", name, ours, flops / ours / 1e3, cell(raw),
             cell(blocked), cell(hwio), cell(product), cell(matmul));
  std::fflush(stdout);
}

void plain_row(Backend& backend, const std::string& name, const OpSpec& spec) {
  double bytes = static_cast<double>(output_spec(spec).nbytes());
  for (const TensorSpec& input : input_specs(spec)) bytes += static_cast<double>(input.nbytes());
  const double us = time_kernel(backend, spec);
  fmt::print("{:34}{:10.0f}{:9.1f} GB/s\n", name, us, bytes / us / 1e3);
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t batch = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 1;
  const auto backend = make_backend(Device::cpu());
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  fmt::print("{:34}{:>10}{:>9}{:>10}{:>10}{:>10}{:>10}{:>10}\n",
             "batch " + std::to_string(batch) + ", microseconds", "kernel", "GFLOP/s", "raw",
             "any/any", "hwio", "product", "matmul");
  struct Case {
    const char* name;
    std::int64_t size, channels, filters, kernel, stride, groups;
    bool silu;
  };
  const std::vector<Case> cases{{"stem 3x3/2 3->32 480", 480, 3, 32, 3, 2, 1, true},
                                {"3x3 32->32 240", 240, 32, 32, 3, 1, 1, true},
                                {"3x3/2 32->128 240", 240, 32, 128, 3, 2, 1, true},
                                {"3x3 64->256 120", 120, 64, 256, 3, 1, 1, true},
                                {"3x3/2 64->256 120", 120, 64, 256, 3, 2, 1, true},
                                {"3x3 96->384 60", 60, 96, 384, 3, 1, 1, true},
                                {"1x1 256->64 120", 120, 256, 64, 1, 1, 1, false},
                                {"1x1 384->96 60", 60, 384, 96, 1, 1, 1, false},
                                {"1x1 192->768 30", 30, 192, 768, 1, 1, 1, true},
                                {"1x1 768->192 30", 30, 768, 192, 1, 1, 1, false},
                                {"1x1 224->1344 30", 30, 224, 1344, 1, 1, 1, true},
                                {"1x1 384->2304 15", 15, 384, 2304, 1, 1, 1, true},
                                {"1x1 2304->384 15", 15, 2304, 384, 1, 1, 1, false},
                                {"1x1 640->3840 15", 15, 640, 3840, 1, 1, 1, true},
                                {"1x1 3840->640 15", 15, 3840, 640, 1, 1, 1, false},
                                {"1x1 640->1280 7", 7, 640, 1280, 1, 1, 1, true},
                                {"1x1 3840->160 1 (SE)", 1, 3840, 160, 1, 1, 1, true},
                                {"1x1 160->3840 1 (SE)", 1, 160, 3840, 1, 1, 1, false},
                                {"depthwise 3x3 768 30", 30, 768, 768, 3, 1, 768, true},
                                {"depthwise 3x3/2 384 60", 60, 384, 384, 3, 2, 384, true},
                                {"depthwise 3x3 1344 30", 30, 1344, 1344, 3, 1, 1344, true},
                                {"depthwise 3x3/2 1344 30", 30, 1344, 1344, 3, 2, 1344, true},
                                {"depthwise 3x3 2304 15", 15, 2304, 2304, 3, 1, 2304, true},
                                {"depthwise 3x3 3840 15", 15, 3840, 3840, 3, 1, 3840, true}};
  for (const Case& c : cases) {
    convolution_row(
        *backend, engine, c.name,
        conv(batch, c.size, c.channels, c.filters, c.kernel, c.stride, c.groups, c.silu));
  }
  for (const auto& [size, channels] :
       {std::pair<std::int64_t, std::int64_t>{30, 1344}, {15, 2304}, {15, 3840}}) {
    const TensorSpec image{{batch, size, size, channels}};
    const TensorSpec pixel{{batch, 1, 1, channels}};
    const std::string at = fmt::format(" {}x{}x{}", size, size, channels);
    plain_row(*backend, "scale channels" + at,
              BinaryOp{Binary::kMultiply, image, pixel, image, {}});
    plain_row(*backend, "add" + at, BinaryOp{Binary::kAdd, image, image, image, {}});
    plain_row(*backend, "global mean" + at, Reduce{Reduce::Kind::kMean, image, pixel, {1, 2}});
    plain_row(*backend, "silu" + at, UnaryOp{image, image, {Unary::kSilu}});
  }
  return 0;
}

#include "ops/cpu/onednn.h"

#include <lamina/error.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <thread>

#include "core/denormals.h"
#include "ops/op_info.h"

namespace lamina::ops::cpu {

using dnnl::algorithm;

void rethrow(const OpSpec& spec, const dnnl::error& error) {
  throw BackendError("oneDNN failed on " + describe(spec) + ": " + error.what() + " (status " +
                     std::to_string(error.status) + ").");
}

Dims nchw(const Shape& shape) {
  return {shape[0], shape[3], shape[1], shape[2]};
}

dnnl::memory::desc nhwc(const Shape& shape) {
  return {nchw(shape), dnnl::memory::data_type::f32, dnnl::memory::format_tag::nhwc};
}

dnnl::memory::desc any(const Dims& dims) {
  return {dims, dnnl::memory::data_type::f32, dnnl::memory::format_tag::any};
}

dnnl::memory::desc dense(const Dims& dims) {
  Dims strides(dims.size());
  dnnl::memory::dim step = 1;
  for (std::size_t i = dims.size(); i-- > 0;) {
    strides[i] = step;
    step *= dims[i];
  }
  return {dims, dnnl::memory::data_type::f32, strides};
}

dnnl::primitive_attr attributes(const dnnl::post_ops& post_ops) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attr.set_post_ops(post_ops);
  return attr;
}

namespace {

bool append_relu(dnnl::post_ops& ops, const Activation& relu) {
  const auto slope = static_cast<float>(relu.a);
  const auto limit = static_cast<float>(relu.b);
  if (relu.c != 0) return false;
  if (std::isinf(relu.b)) {
    ops.append_eltwise(1, algorithm::eltwise_relu, slope, 0);
    return true;
  }
  if (slope != 0) return false;
  ops.append_eltwise(1, algorithm::eltwise_clip, 0, limit);
  return true;
}

}  // namespace

bool append_activation(dnnl::post_ops& ops, const Activation& activation) {
  const auto append = [&](algorithm kind, double alpha = 0, double beta = 0, double scale = 1) {
    ops.append_eltwise(static_cast<float>(scale), kind, static_cast<float>(alpha),
                       static_cast<float>(beta));
    return true;
  };
  switch (activation.kind) {
    case Unary::kLinear:
      return true;
    case Unary::kRelu:
      return append_relu(ops, activation);
    case Unary::kSilu:
      return append(algorithm::eltwise_swish, 1);
    case Unary::kGelu:
      return append(algorithm::eltwise_gelu_erf);
    case Unary::kGeluTanh:
      return append(algorithm::eltwise_gelu_tanh);
    case Unary::kSigmoid:
      return append(algorithm::eltwise_logistic);
    case Unary::kHardSigmoid:
      return append(algorithm::eltwise_linear, 1.0 / 6, 0.5) &&
             append(algorithm::eltwise_clip, 0, 1);
    case Unary::kHardSilu:
      return append(algorithm::eltwise_hardswish);
    case Unary::kTanh:
      return append(algorithm::eltwise_tanh);
    case Unary::kElu:
      return append(algorithm::eltwise_elu, activation.a);
    case Unary::kSelu:
      return append(algorithm::eltwise_elu, 1.67326324235437728482) &&
             append(algorithm::eltwise_linear, 1.05070098735548049342);
    case Unary::kSoftplus:
      return append(algorithm::eltwise_soft_relu);
    case Unary::kSoftsign:
    case Unary::kInverseRoot:
    case Unary::kAbsolute:
    case Unary::kSquare:
    case Unary::kSin:
    case Unary::kCos:
    case Unary::kExpm1:
    case Unary::kLog:
    case Unary::kLog1p:
    case Unary::kSqrt:
    case Unary::kRsqrt:
    case Unary::kPower:
    case Unary::kErf:
    case Unary::kTan:
    case Unary::kArctan:
    case Unary::kSinh:
    case Unary::kCosh:
    case Unary::kFloor:
    case Unary::kCeil:
    case Unary::kRound:
    case Unary::kSign:
    case Unary::kStopGradient:
    case Unary::kArcsin:
    case Unary::kArccos:
    case Unary::kArcsinh:
    case Unary::kArccosh:
    case Unary::kArctanh:
    case Unary::kCbrt:
    case Unary::kExp2:
    case Unary::kErfc:
    case Unary::kSinc:
    case Unary::kSignbit:
      return false;
    case Unary::kExponential:
      return append(algorithm::eltwise_exp);
    case Unary::kMish:
      return append(algorithm::eltwise_mish);
    case Unary::kScaleShift:
      return append(algorithm::eltwise_linear, activation.a, activation.b);
  }
  __builtin_unreachable();
}

void Primitive::reorder(int argument, const dnnl::memory::desc& desc, void* data, Way way) {
  const bool packs = way == Way::kIn;
  const OneThread alone(threads_ == 1 && !packs);  // kernels may be large where little is computed
  dnnl::memory& packed = arguments_.at(argument);
  const auto [found, first] = reorders_.try_emplace(argument);
  auto& [user, primitive] = found->second;
  if (user.get(true) == nullptr) {
    user = dnnl::memory(desc, engine_, DNNL_MEMORY_NONE);
    primitive = packs ? dnnl::reorder(user, packed) : dnnl::reorder(packed, user);
  }
  user.set_data_handle(data);
  execute(primitive,
          {{DNNL_ARG_FROM, packs ? user : packed}, {DNNL_ARG_TO, packs ? packed : user}});
  // For prediction parameters are packed once: what would only be of use again is not kept.
  if (first) found->second = {};
}

void Primitive::load(int argument, const dnnl::memory::desc& from, const Tensor& source) {
  const Tensor values = source.cast(DType::kFloat32);
  const dnnl::memory& memory = arguments_.at(argument);
  if (memory.get_data_handle() == nullptr) own(argument, memory.get_desc());
  reorder(argument, from, const_cast<void*>(values.raw()), Way::kIn);
}

void Primitive::store(int argument, const dnnl::memory::desc& to, void* data) {
  reorder(argument, to, data, Way::kOut);
}

void Primitive::execute(const dnnl::primitive& primitive,
                        const std::unordered_map<int, dnnl::memory>& arguments) {
  const int threads = std::max(threads_, omp_get_max_threads());
  if (threads > 1) core::FlushDenormals::in_pool(threads);
  primitive.execute(stream_, arguments);
  stream_.wait();
}

void Primitive::execute(void* workspace) {
  const OneThread alone(threads_ == 1);
  if (scratchpad_bytes_ != 0) set(DNNL_ARG_SCRATCHPAD, workspace);
  execute(primitive_, arguments_);
}

void Primitive::execute_together(void* workspace) {
  if (threads_ == 1 || omp_in_parallel() == 0) return execute(workspace);
  std::exception_ptr failure;
  std::thread other([&] {  // treats denormal numbers as this one does, and so do its own
    try {
      execute(workspace);
    } catch (...) {
      failure = std::current_exception();
    }
  });
  other.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace lamina::ops::cpu

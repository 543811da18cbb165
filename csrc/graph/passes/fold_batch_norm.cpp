#include <cmath>
#include <optional>

#include "graph/passes/passes.h"
#include "graph/passes/rewriter.h"

namespace lamina::graph {
namespace {

/// A BatchNorm's parameters by name. y = x * scale() + shift().
struct Normalisation {
  std::optional<Param> gamma, beta;
  Param mean, variance;
  double epsilon;

  explicit Normalisation(const Op& op) {
    const auto& spec = std::get<ops::BatchNorm>(op.spec);
    auto param = op.params.begin();
    if (spec.scale) gamma = *param++;
    if (spec.center) beta = *param++;
    mean = *param++;
    variance = *param;
    epsilon = spec.epsilon;
  }
};

std::vector<double> values_of(const Param& param) {
  const Tensor value = param.value().cast(DType::kFloat64);
  const auto elements = value.data<double>();
  return {elements.begin(), elements.end()};
}

std::vector<double> scale_of(const Normalisation& norm) {
  std::vector<double> scale = values_of(norm.variance);
  for (double& v : scale) v = 1 / std::sqrt(v + norm.epsilon);
  if (norm.gamma) {
    const std::vector<double> gamma = values_of(*norm.gamma);
    for (std::size_t i = 0; i < scale.size(); ++i) scale[i] *= gamma[i];
  }
  return scale;
}

void add_sources(Param& to, const std::optional<Param>& from) {
  if (from) to.sources.insert(to.sources.end(), from->sources.begin(), from->sources.end());
}

/// `kernel` with each slice along `axis` (counted from the end) multiplied by its scale.
Tensor scaled(const Tensor& kernel, const std::vector<double>& scale, std::size_t axis_from_end) {
  Tensor result = Tensor::empty(kernel.shape(), kernel.dtype());
  const std::size_t inner = axis_from_end == 1 ? 1 : static_cast<std::size_t>(kernel.shape()[-1]);
  const std::size_t channels = scale.size();
  dispatch(kernel.dtype(), [&]<class T>(T) {
    if constexpr (std::is_floating_point_v<T>) {
      const auto in = kernel.data<T>();
      const auto out = result.data<T>();
      for (std::size_t i = 0; i < in.size(); ++i) {
        out[i] = static_cast<T>(in[i] * scale[i / inner % channels]);
      }
    }
  });
  return result;
}

Param folded_kernel(const Param& kernel, const Normalisation& norm, std::size_t axis_from_end) {
  Param param{kernel.sources, {}};
  add_sources(param, norm.gamma);
  add_sources(param, norm.variance);
  param.value = [kernel, norm, axis_from_end] {
    return scaled(kernel.value(), scale_of(norm), axis_from_end);
  };
  return param;
}

Param folded_bias(const std::optional<Param>& bias, const Normalisation& norm, DType dtype) {
  Param param;
  for (const auto& part :
       {bias, norm.gamma, norm.beta, std::optional(norm.mean), std::optional(norm.variance)}) {
    add_sources(param, part);
  }
  param.value = [bias, norm, dtype] {
    const std::vector<double> scale = scale_of(norm), mean = values_of(norm.mean);
    std::vector<double> sum =
        norm.beta ? values_of(*norm.beta) : std::vector<double>(mean.size(), 0);
    const std::vector<double> shift = bias ? values_of(*bias) : std::vector<double>(mean.size(), 0);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += (shift[i] - mean[i]) * scale[i];
    return Tensor::from(sum, {static_cast<std::int64_t>(sum.size())}).cast(dtype);
  };
  return param;
}

/// Where the output channels stand in the kernel, from the end; 0 for operations without a kernel.
std::size_t channel_axis_from_end(const ops::OpSpec& spec) {
  if (std::holds_alternative<ops::Conv2D>(spec) || std::holds_alternative<ops::Dense>(spec))
    return 1;
  return std::holds_alternative<ops::Conv2DTranspose>(spec) ? 2 : 0;
}

template <class Spec>
bool fold_into(Spec& spec, Op& op, const Op& norm_op) {
  if constexpr (requires { spec.bias; }) {
    if constexpr (requires { spec.residual; }) {
      if (spec.residual) return false;
    }
    if (spec.activation.kind != ops::Unary::kLinear) return false;
    const Normalisation norm(norm_op);
    const std::optional<Param> bias = spec.bias ? std::optional(op.params[1]) : std::nullopt;
    op.params = {folded_kernel(op.params[0], norm, channel_axis_from_end(op.spec)),
                 folded_bias(bias, norm, spec.y.dtype)};
    spec.bias = true;
    spec.activation = std::get<ops::BatchNorm>(norm_op.spec).activation;
    return true;
  } else {
    return false;
  }
}

bool can_fold(const ops::BatchNorm& norm) {
  const bool exact = norm.x.dtype == DType::kFloat32 || norm.x.dtype == DType::kFloat64;
  return exact && norm.x == norm.y && norm.axis + 1 == norm.x.shape.rank();
}

}  // namespace

Program fold_batch_norm(Program program) {
  Rewriter rewriter(std::move(program));
  for (std::size_t i = 0; i < rewriter.size(); ++i) {
    const auto* norm = std::get_if<ops::BatchNorm>(&rewriter.op(i).spec);
    if (norm == nullptr || !can_fold(*norm)) continue;
    const auto above = rewriter.private_producer(rewriter.op(i).inputs[0]);
    if (!above) continue;
    Op& op = rewriter.op(*above);
    const bool folded =
        std::visit([&](auto& spec) { return fold_into(spec, op, rewriter.op(i)); }, op.spec);
    if (folded) rewriter.absorb(*above, i);
  }
  return std::move(rewriter).finish();
}

}  // namespace lamina::graph

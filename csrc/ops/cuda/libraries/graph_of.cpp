#include <lamina/error.h>

#include <optional>

#include "ops/cuda/libraries/frontend.h"
#include "ops/cuda/library_op.h"

namespace lamina::ops::cuda {
namespace {

namespace fe = cudnn_frontend;
using Attributes = std::shared_ptr<fe::graph::Tensor_attributes>;
using Direction = LibraryConvolution::Direction;

fe::DataType_t data_type(DType dtype) {
  switch (dtype) {
    case DType::kFloat16:
      return fe::DataType_t::HALF;
    case DType::kBFloat16:
      return fe::DataType_t::BFLOAT16;
    case DType::kFloat32:
      return fe::DataType_t::FLOAT;
    case DType::kFloat64:
    case DType::kInt8:
    case DType::kInt16:
    case DType::kInt32:
    case DType::kInt64:
    case DType::kUInt8:
    case DType::kUInt16:
    case DType::kUInt32:
    case DType::kUInt64:
    case DType::kBool:
      break;
  }
  throw UnsupportedError("cuDNN is not asked for operations on " + std::string(dtype_name(dtype)) +
                         ".");
}

std::shared_ptr<fe::graph::Graph> graph_for(DType dtype) {
  auto graph = std::make_shared<fe::graph::Graph>();
  graph->set_io_data_type(data_type(dtype))
      .set_intermediate_data_type(fe::DataType_t::FLOAT)
      .set_compute_data_type(fe::DataType_t::FLOAT);
  return graph;
}

using Dims = std::vector<std::int64_t>;

/// cuDNN counts (N, C, H, W) whatever the order in memory, which is (N, H, W, C).
fe::graph::Tensor_attributes attributes(const char* name, Uid uid, std::int64_t n, std::int64_t c,
                                        std::int64_t h, std::int64_t w) {
  return fe::graph::Tensor_attributes()
      .set_name(name)
      .set_uid(uid)
      .set_dim({n, c, h, w})
      .set_stride({h * w * c, 1, w * c, c});
}

fe::graph::Tensor_attributes image(const char* name, Uid uid, const Shape& shape) {
  return attributes(name, uid, shape[0], shape[3], shape[1], shape[2]);
}

fe::graph::Tensor_attributes kernel_of(const LibraryConvolution& op) {
  return attributes("kernel", kKernel, op.y[3], op.x[3] / op.groups, op.kernel[0], op.kernel[1]);
}

template <class Node>
Node convolution_node(const LibraryConvolution& op) {
  Node node;
  node.set_pre_padding({op.before[0], op.before[1]})
      .set_post_padding({op.after[0], op.after[1]})
      .set_stride({op.strides[0], op.strides[1]})
      .set_dilation({op.dilation[0], op.dilation[1]});
  return node;
}

void name_result(const Attributes& result, const fe::graph::Tensor_attributes& like, DType dtype) {
  result->set_output(true)
      .set_uid(like.get_uid())
      .set_dim(like.get_dim())
      .set_stride(like.get_stride())
      .set_data_type(data_type(dtype));
}

/// The activations that are one step of cuDNN's, with the same meaning.
std::optional<fe::graph::Pointwise_attributes> step(const Activation& activation) {
  fe::graph::Pointwise_attributes out;
  switch (activation.kind) {
    case Unary::kRelu:
      if (activation != relu()) return std::nullopt;
      return out.set_mode(fe::PointwiseMode_t::RELU_FWD);
    case Unary::kSilu:
      return out.set_mode(fe::PointwiseMode_t::SWISH_FWD).set_swish_beta(1.0F);
    case Unary::kSigmoid:
      return out.set_mode(fe::PointwiseMode_t::SIGMOID_FWD);
    case Unary::kTanh:
      return out.set_mode(fe::PointwiseMode_t::TANH_FWD);
    default:
      return std::nullopt;
  }
}

std::shared_ptr<fe::graph::Graph> forward_graph(const LibraryConvolution& op) {
  auto graph = graph_for(op.dtype);
  auto y = graph->conv_fprop(graph->tensor(image("x", kX, op.x)), graph->tensor(kernel_of(op)),
                             convolution_node<fe::graph::Conv_fprop_attributes>(op));
  if (op.bias) {
    const auto bias = graph->tensor(attributes("bias", kBias, 1, op.y[3], 1, 1));
    y = graph->pointwise(y, bias,
                         fe::graph::Pointwise_attributes().set_mode(fe::PointwiseMode_t::ADD));
  }
  if (op.activation.kind != Unary::kLinear) {
    const auto function = step(op.activation);
    if (!function) return nullptr;
    y = graph->pointwise(y, *function);
  }
  name_result(y, image("y", kY, op.y), op.dtype);
  return graph;
}

}  // namespace

std::shared_ptr<fe::graph::Graph> graph_of(const LibraryConvolution& op) {
  if (op.direction == Direction::kForward) return forward_graph(op);
  auto graph = graph_for(op.dtype);
  const auto y = graph->tensor(image("dy", kY, op.y));
  if (op.direction == Direction::kInput) {
    const auto x = graph->conv_dgrad(y, graph->tensor(kernel_of(op)),
                                     convolution_node<fe::graph::Conv_dgrad_attributes>(op));
    name_result(x, image("dx", kX, op.x), op.dtype);
  } else {
    const auto kernel = graph->conv_wgrad(y, graph->tensor(image("x", kX, op.x)),
                                          convolution_node<fe::graph::Conv_wgrad_attributes>(op));
    name_result(kernel, kernel_of(op), op.dtype);
  }
  return graph;
}

std::shared_ptr<fe::graph::Graph> graph_of(const LibraryNorm& op) {
  auto graph = graph_for(op.dtype);
  const auto parameter = [&](const char* name, Uid uid) {
    return graph->tensor(
        attributes(name, uid, 1, op.width, 1, 1).set_data_type(fe::DataType_t::FLOAT));
  };
  auto epsilon = graph->tensor(static_cast<float>(op.epsilon));
  const auto x = attributes("x", kX, op.rows, op.width, 1, 1);
  const auto [y, mean, inverse] =
      graph->layernorm(graph->tensor(x), parameter("gamma", kKernel), parameter("beta", kBias),
                       fe::graph::Layernorm_attributes().set_epsilon(epsilon).set_forward_phase(
                           fe::NormFwdPhase_t::INFERENCE));
  name_result(y, attributes("y", kY, op.rows, op.width, 1, 1), op.dtype);
  return graph;
}

}  // namespace lamina::ops::cuda

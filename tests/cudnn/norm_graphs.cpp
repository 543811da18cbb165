#include <fmt/format.h>
#include <lamina/applications.h>

#include "asked.h"
#include "graph/builder.h"
#include "graph/passes/passes.h"
#include "models/run/lowering.h"
#include "ops/cuda/libraries/frontend.h"
#include "our_nodes.h"

namespace lamina::ops::cuda {
namespace {

namespace fe = cudnn_frontend;
using fe::graph::Graph;
using Attributes = std::shared_ptr<fe::graph::Tensor_attributes>;
using Dims = std::vector<std::int64_t>;

constexpr DType kTypes[] = {DType::kFloat32, DType::kBFloat16};

fe::DataType_t data_type(DType dtype) {
  return dtype == DType::kBFloat16 ? fe::DataType_t::BFLOAT16 : fe::DataType_t::FLOAT;
}

/// A graph of one node on values of `dtype`; parameters and statistics are float32.
class Node {
 public:
  explicit Node(DType dtype) : dtype_(dtype) {
    graph->set_io_data_type(data_type(dtype))
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT);
  }
  /// Of (N, C, H, W), which lie as (N, H, W, C).
  Attributes value(const Dims& dims) { return tensor(dims, dtype_); }
  Attributes numbers(const Dims& dims) { return tensor(dims, DType::kFloat32); }
  Attributes epsilon() { return graph->tensor(1e-3F); }
  void gives_value(const Attributes& result) { gives(result, dtype_); }
  void gives_numbers(const Attributes& result) { gives(result, DType::kFloat32); }

  [[nodiscard]] Verdict ask(const CudnnTarget& target) const {
    const CudnnGraph planned = plan_graph(target, graph, dtype_);
    return {planned.supported(), planned.built, planned.built ? planned.engine : planned.problem};
  }

  const std::shared_ptr<Graph> graph = std::make_shared<Graph>();

 private:
  Attributes tensor(const Dims& dims, DType dtype) {
    return graph->tensor(
        fe::graph::Tensor_attributes()
            .set_uid(++uid_)
            .set_dim(dims)
            .set_stride({dims[1] * dims[2] * dims[3], 1, dims[1] * dims[3], dims[1]})
            .set_data_type(data_type(dtype)));
  }
  void gives(const Attributes& result, DType dtype) {
    result->set_output(true).set_uid(++uid_).set_data_type(data_type(dtype));
  }

  DType dtype_;
  std::int64_t uid_ = 0;
};

/// Values, and what there is of each parameter and of each statistic.
struct Shapes {
  Dims x, parameter, statistic;
};

Node batch_norm(const Shapes& shapes, DType dtype) {
  Node node(dtype);
  auto epsilon = node.epsilon();
  const auto [y, mean, inverse, moving_mean, moving_variance] = node.graph->batchnorm(
      node.value(shapes.x), node.numbers(shapes.parameter), node.numbers(shapes.parameter),
      fe::graph::Batchnorm_attributes().set_epsilon(epsilon));
  node.gives_value(y);
  node.gives_numbers(mean);
  node.gives_numbers(inverse);
  return node;
}

Node batch_norm_gradient(const Shapes& shapes, DType dtype) {
  Node node(dtype);
  const auto dy = node.value(shapes.x), x = node.value(shapes.x);
  const auto gamma = node.numbers(shapes.parameter);
  const auto [dx, dgamma, dbeta] = node.graph->batchnorm_backward(
      dy, x, gamma,
      fe::graph::Batchnorm_backward_attributes().set_saved_mean_and_inv_variance(
          node.numbers(shapes.statistic), node.numbers(shapes.statistic)));
  node.gives_value(dx);
  node.gives_numbers(dgamma);
  node.gives_numbers(dbeta);
  return node;
}

Node batch_norm_inference(const Shapes& shapes, DType dtype) {
  Node node(dtype);
  const auto x = node.value(shapes.x);
  const auto mean = node.numbers(shapes.statistic), inverse = node.numbers(shapes.statistic);
  const auto gamma = node.numbers(shapes.parameter), beta = node.numbers(shapes.parameter);
  node.gives_value(node.graph->batchnorm_inference(x, mean, inverse, gamma, beta,
                                                   fe::graph::Batchnorm_inference_attributes()));
  return node;
}

Node statistics(const Shapes& shapes, DType dtype) {
  Node node(dtype);
  const auto [sum, squares] =
      node.graph->genstats(node.value(shapes.x), fe::graph::Genstats_attributes());
  node.gives_numbers(sum);
  node.gives_numbers(squares);
  return node;
}

Node layer_norm_gradient(const Shapes& shapes, DType dtype) {
  Node node(dtype);
  const auto dy = node.value(shapes.x), x = node.value(shapes.x);
  const auto gamma = node.numbers(shapes.parameter);
  const auto [dx, dgamma, dbeta] = node.graph->layernorm_backward(
      dy, x, gamma,
      fe::graph::Layernorm_backward_attributes().set_saved_mean_and_inv_variance(
          node.numbers(shapes.statistic), node.numbers(shapes.statistic)));
  node.gives_value(dx);
  node.gives_numbers(dgamma);
  node.gives_numbers(dbeta);
  return node;
}

Node rms_norm(const Shapes& shapes, DType dtype) {
  Node node(dtype);
  const auto x = node.value(shapes.x), gamma = node.numbers(shapes.parameter);
  auto epsilon = node.epsilon();
  const auto [y, inverse] =
      node.graph->rmsnorm(x, gamma,
                          fe::graph::Rmsnorm_attributes().set_epsilon(epsilon).set_forward_phase(
                              fe::NormFwdPhase_t::INFERENCE));
  node.gives_value(y);
  return node;
}

Node rms_norm_gradient(const Shapes& shapes, DType dtype) {
  Node node(dtype);
  const auto dy = node.value(shapes.x), x = node.value(shapes.x);
  const auto gamma = node.numbers(shapes.parameter), inverse = node.numbers(shapes.statistic);
  const auto [dx, dgamma, dbeta] = node.graph->rmsnorm_backward(
      dy, x, gamma, inverse, fe::graph::Rmsnorm_backward_attributes().has_dbias(false));
  node.gives_value(dx);
  node.gives_numbers(dgamma);
  return node;
}

using MakeNode = Node (*)(const Shapes&, DType);
struct Kind {
  const char* name;
  MakeNode make;
};
constexpr Kind kBatchNorms[] = {{"batch_norm training", batch_norm},
                                {"batch_norm gradient", batch_norm_gradient},
                                {"batch_norm inference", batch_norm_inference},
                                {"batch_norm statistics", statistics}};
constexpr Kind kLayerNorms[] = {{"layer_norm gradient", layer_norm_gradient},
                                {"rms_norm forward", rms_norm},
                                {"rms_norm gradient", rms_norm_gradient}};

template <std::size_t N>
void add(Nodes& nodes, const Kind (&kinds)[N], const Shapes& shapes) {
  const Dims& x = shapes.x;
  for (const DType dtype : kTypes) {
    for (const Kind& kind : kinds) {
      nodes.emplace(fmt::format("{} {} {}", kind.name, dtype_name(dtype),
                                Shape{x[0], x[2], x[3], x[1]}.str()),
                    [=, make = kind.make](const CudnnTarget& target) {
                      return make(shapes, dtype).ask(target);
                    });
    }
  }
}

void add_batch_norm(Nodes& nodes, const Shape& image) {
  const Dims channels{1, image[3], 1, 1};
  add(nodes, kBatchNorms, {{image[0], image[3], image[1], image[2]}, channels, channels});
}

/// Over all but the first dimension.
void add_layer_norm(Nodes& nodes, const Dims& x) {
  add(nodes, kLayerNorms, {x, {1, x[1], x[2], x[3]}, {x[0], 1, 1, 1}});
}

}  // namespace

Nodes norms_of_applications(std::int64_t batch) {
  Nodes nodes;
  for (const std::string_view name : applications::names()) {
    const ModelPtr model = applications::by_name(name);
    const Shape image = images_of(*model, batch);
    const graph::Program program = models::lower_model(*model, {TensorSpec{image, DType::kFloat32}},
                                                       graph::Builder::Mode::kTraining);
    for (const graph::Op& op : program.ops) {
      if (const auto* norm = std::get_if<BatchNormTraining>(&op.spec)) {
        add_batch_norm(nodes, norm->x.shape);
      }
    }
  }
  return nodes;
}

Nodes norm_edge_cases() {
  Nodes nodes;
  for (const Shape& image : {Shape{8, 56, 56, 64}, Shape{2, 17, 23, 13}, Shape{1, 1, 1, 8}}) {
    add_batch_norm(nodes, image);
  }
  for (const Dims& x : {Dims{512, 768, 1, 1}, Dims{100, 13, 1, 1}, Dims{3, 8, 7, 9}}) {
    add_layer_norm(nodes, x);
  }
  return nodes;
}

}  // namespace lamina::ops::cuda

#include <fmt/format.h>

#include "ops/cuda/libraries/frontend.h"
#include "our_nodes.h"

// cuDNN's interface has no node for it: asked a layer below.
namespace lamina::ops::cuda {
namespace {

namespace fe = cudnn_frontend;

struct Pool {
  bool is_max;
  Shape x, y;
  Pair window, strides, before, after;
};

fe::Tensor tensor(std::int64_t id, const Shape& shape, fe::DataType_t type) {
  const std::int64_t n = shape[0], h = shape[1], w = shape[2], c = shape[3];
  const std::int64_t dims[] = {n, c, h, w}, strides[] = {h * w * c, 1, w * c, c};
  return fe::TensorBuilder()
      .setDim(4, dims)
      .setStride(4, strides)
      .setId(id)
      .setAlignment(16)
      .setDataType(type)
      .build();
}

fe::ResampleDesc window_of(const Pool& pool) {
  return fe::ResampleDescBuilder()
      .setComputeType(fe::DataType_t::FLOAT)
      .setNanPropagation(CUDNN_PROPAGATE_NAN)
      .setResampleMode(pool.is_max ? fe::ResampleMode_t::MAXPOOL
                                   : fe::ResampleMode_t::AVGPOOL_EXCLUDE_PADDING)
      .setPaddingMode(pool.is_max ? fe::PaddingMode_t::NEG_INF_PAD : fe::PaddingMode_t::ZERO_PAD)
      .setSpatialDim(2, pool.window.data())
      .setSpatialStride(2, pool.strides.data())
      .setPrePadding(2, pool.before.data())
      .setPostPadding(2, pool.after.data())
      .build();
}

/// That of the largest element of each window goes by an index, which the forward pass wrote.
/// (Asked by x and y instead, cuDNN 9.19 ends the process.)
fe::Operation gradient(const Pool& pool, fe::DataType_t type) {
  auto builder = fe::OperationBuilder(fe::DescriptorType_t::OPERATION_RESAMPLE_BWD_DESCRIPTOR);
  builder.setdxDesc(tensor(1, pool.x, type))
      .setdyDesc(tensor(2, pool.y, type))
      .setResampleDesc(window_of(pool));
  if (pool.is_max) builder.setidxDesc(tensor(3, pool.y, fe::DataType_t::INT8));
  return builder.build();
}

Verdict ask(const CudnnTarget& target, const Pool& pool, fe::DataType_t type) {
  const fe::Operation operation = gradient(pool, type);
  const fe::Operation* all[] = {&operation};
  auto graph =
      fe::OperationGraphBuilder().setHandle(target.handle()).setOperationGraph(1, all).build();
  fe::EngineConfigList found;
  (void)fe::get_heuristics_list(
      std::vector<fe::HeurMode_t>{fe::HeurMode_t::A, fe::HeurMode_t::FALLBACK}, graph,
      [](cudnnBackendDescriptor_t engine) {
        return fe::hasNumericalNote<CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC>(engine);
      },
      found, true, -1, target.description());
  if (found.empty()) return {false, false, fe::detail::get_last_error_string_()};
  Verdict verdict{true, false, "compiled at run time"};
  for (const auto& each : found) {
    if (fe::hasBehaviorNote<CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION>(
            each->get_backend_descriptor()))
      continue;
    const auto plan = fe::ExecutionPlanBuilder().setEngineConfig(each, graph.getTag()).build();
    return {true, true, plan.getTag()};
  }
  return verdict;
}

void add(Nodes& nodes, const Pool& pool) {
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    const auto type = dtype == DType::kBFloat16 ? fe::DataType_t::BFLOAT16 : fe::DataType_t::FLOAT;
    nodes.emplace(
        fmt::format("pool_gradient {} {} {} -> {} window {}x{}", pool.is_max ? "max" : "average",
                    dtype_name(dtype), pool.x.str(), pool.y.str(), pool.window[0], pool.window[1]),
        [=](const CudnnTarget& target) {
          try {
            return ask(target, pool, type);
          } catch (const fe::cudnnException& error) {
            return Verdict{false, false, error.what()};
          }
        });
  }
}

}  // namespace

Nodes pool_gradients() {
  Nodes nodes;
  const Pair one{1, 1}, two{2, 2}, three{3, 3}, none{0, 0};
  for (const bool is_max : {true, false}) {
    add(nodes, {is_max, {2, 16, 16, 8}, {2, 8, 8, 8}, two, two, none, none});
    add(nodes, {is_max, {2, 16, 16, 8}, {2, 8, 8, 8}, three, two, none, one});
    add(nodes, {is_max, {1, 13, 7, 5}, {1, 11, 5, 5}, three, one, none, none});
  }
  return nodes;
}

}  // namespace lamina::ops::cuda

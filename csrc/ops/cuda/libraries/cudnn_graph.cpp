#include "ops/cuda/libraries/cudnn_graph.h"

#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <lamina/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <vector>

#include "ops/cuda/libraries/frontend.h"
#include "runtime/cuda/cuda_call.h"

// What cuDNN's interface calls through.
void* cudnn_frontend::cudnn_dlhandle = nullptr;

namespace lamina::ops::cuda {
namespace {

namespace fe = cudnn_frontend;

void check(cudnnStatus_t status, const char* call) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  throw DeviceError(call, fe::detail::get_error_string(status),
                    fe::detail::get_last_error_string_(), SourceLocation::current());
}

std::shared_ptr<fe::graph::Graph> any_graph(const LibraryOp& op) {
  if (const auto* convolution = std::get_if<LibraryConvolution>(&op)) return graph_of(*convolution);
  if (const auto* norm = std::get_if<LibraryNorm>(&op)) return graph_of(*norm);
  return nullptr;
}

DType dtype_of_op(const LibraryOp& op) {
  if (const auto* convolution = std::get_if<LibraryConvolution>(&op)) return convolution->dtype;
  return std::get<LibraryNorm>(op).dtype;
}

/// What cuDNN's interface would look for in a libcudart.so of its own, which need not be there
/// (ours is linked statically): the architecture, and whether a run is being recorded. Then
/// recordings do not keep plans alive, and need not: kernels do.
template <class Graph>
void ask_no_runtime(Graph& graph, int architecture) {
  graph.set_sm_version(architecture);
  if constexpr (requires { graph.get_cuda_graph_retention(); }) {  // in newer ones
    using Retention = decltype(graph.get_cuda_graph_retention());
    graph.set_cuda_graph_retention(Retention::NONE);
  }
}

/// cuDNN's interface throws what is not ours where a function is missing.
template <class F>
auto with_our_errors(F&& f) {
  try {
    return f();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw BackendError(std::string("cuDNN cannot be used: ") + error.what());
  }
}

/// The engines' configurations for a graph, those that must not be used left out.
fe::error_t find_engines(const CudnnTarget& target, DType dtype, Float32Precision precision,
                         fe::graph::Graph& graph) {
  if (target.description()) graph.set_device_properties(target.description());
  ask_no_runtime(graph, target.architecture());
  if (auto status = graph.validate(); status.is_bad()) return status;
  if (auto status = graph.build_operation_graph(target.handle()); status.is_bad()) return status;
  if (auto status = graph.create_execution_plans({fe::HeurMode_t::A, fe::HeurMode_t::FALLBACK});
      status.is_bad()) {
    return status;
  }
  std::vector<fe::NumericalNote_t> refused{fe::NumericalNote_t::NONDETERMINISTIC,
                                           fe::NumericalNote_t::REDUCED_PRECISION_REDUCTION};
  if (dtype == DType::kFloat32) {
    if (precision == Float32Precision::kStrict) {
      refused.push_back(fe::NumericalNote_t::TENSOR_CORE);
    }
    refused.push_back(fe::NumericalNote_t::DOWN_CONVERT_INPUTS);
  }
  graph.deselect_numeric_notes(refused);
  return graph.check_support();
}

bool compiled_at_run_time(const fe::graph::Graph& graph, int configuration) {
  std::vector<fe::BehaviorNote_t> notes;
  if (graph.get_behavior_notes_for_plan_at_index(configuration, notes).is_bad()) return false;
  return std::find(notes.begin(), notes.end(), fe::BehaviorNote_t::RUNTIME_COMPILATION) !=
         notes.end();
}

std::string name_of(const fe::graph::Graph& graph, int configuration) {
  std::string name;
  (void)graph.get_plan_name_at_index(configuration, name);
  return name;
}

/// The first configuration that can be built, of those named `engine` if that is not empty; false
/// where none can. Without a device those that are compiled at run time cannot: they have passed
/// their support check, and that is all.
bool build_first(const CudnnTarget& target, CudnnGraph& out, const std::string& engine) {
  for (int i = 0; i < out.configurations; ++i) {
    if (!engine.empty() && name_of(*out.graph, i) != engine) continue;
    if (target.description() && compiled_at_run_time(*out.graph, i)) {
      out.problem = "compiled at run time";
      continue;
    }
    if (auto status = out.graph->build_plan_at_index(i); status.is_bad()) {
      if (out.problem.empty()) out.problem = status.get_message();
      continue;
    }
    out.engine = name_of(*out.graph, i);
    out.configuration = i;
    out.problem.clear();
    return true;
  }
  return false;
}

/// All but what is built.
CudnnGraph offered(const CudnnTarget& target, std::shared_ptr<fe::graph::Graph> graph, DType dtype,
                   Float32Precision precision) {
  CudnnGraph out;
  if (graph == nullptr) {
    out.problem = "not expressed as a graph";
    return out;
  }
  if (auto status = find_engines(target, dtype, precision, *graph); status.is_bad()) {
    out.problem = status.get_message();
    return out;
  }
  out.configurations = static_cast<int>(graph->get_execution_plan_count());
  out.graph = std::move(graph);
  return out;
}

class CudnnPlan final : public LibraryPlan {
 public:
  CudnnPlan(CudnnTarget target, const LibraryOp& op, CudnnGraph planned)
      : target_(std::move(target)), op_(op), planned_(std::move(planned)) {
    workspace_ = planned_.graph->get_workspace_size_plan_at_index(planned_.configuration);
  }
  [[nodiscard]] std::size_t workspace_bytes() const override {
    return static_cast<std::size_t>(workspace_);
  }
  void run(runtime::Stream& stream, const LibraryArgs& args) override {
    check(fe::detail::set_stream(target_.handle(), static_cast<cudaStream_t>(stream.native())),
          "cudnnSetStream");
    std::unordered_map<std::int64_t, void*> pointers = places(args);
    auto status = with_our_errors([&] {
      return planned_.graph->execute_plan_at_index(target_.handle(), pointers, args.workspace,
                                                   planned_.configuration);
    });
    if (status.is_bad()) {
      throw DeviceError("cudnnBackendExecute", planned_.engine,
                        describe(op_) + ": " + status.get_message(), SourceLocation::current());
    }
  }

 private:
  [[nodiscard]] std::unordered_map<std::int64_t, void*> places(const LibraryArgs& args) const {
    const auto plain = [](const void* pointer) { return const_cast<void*>(pointer); };
    if (std::holds_alternative<LibraryNorm>(op_)) {
      return {{kX, plain(args.first)},
              {kKernel, plain(args.second)},
              {kBias, plain(args.bias)},
              {kY, args.result}};
    }
    const auto& convolution = std::get<LibraryConvolution>(op_);
    switch (convolution.direction) {
      case LibraryConvolution::Direction::kInput:
        return {{kY, plain(args.first)}, {kKernel, plain(args.second)}, {kX, args.result}};
      case LibraryConvolution::Direction::kKernel:
        return {{kX, plain(args.first)}, {kY, plain(args.second)}, {kKernel, args.result}};
      case LibraryConvolution::Direction::kForward:
        break;
    }
    std::unordered_map<std::int64_t, void*> all{
        {kX, plain(args.first)}, {kKernel, plain(args.second)}, {kY, args.result}};
    if (convolution.bias) all.emplace(kBias, plain(args.bias));
    return all;
  }

  CudnnTarget target_;
  LibraryOp op_;
  CudnnGraph planned_;
  std::int64_t workspace_ = 0;
};

}  // namespace

bool have_cudnn() {
  static const bool loaded = [] {
    fe::cudnn_dlhandle = dlopen("libcudnn.so.9", RTLD_NOW | RTLD_LOCAL);
    return fe::cudnn_dlhandle != nullptr;
  }();
  return loaded;
}

std::string cudnn_name() {
  const auto version = with_our_errors([] { return fe::detail::get_backend_version(); });
  return fmt::format("cuDNN {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

CudnnTarget CudnnTarget::current_device() {
  int device = 0;
  runtime::check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  cudnnHandle_t handle = nullptr;
  check(with_our_errors([&] { return fe::detail::create_handle(&handle); }), "cudnnCreate");
  CudnnTarget out;
  out.handle_ = {handle, [device](cudnnHandle_t owned) {
                   if (runtime::cuda_has_gone()) return;
                   runtime::try_make_current(device);
                   (void)fe::detail::destroy_handle(owned);
                 }};
  int major = 0, minor = 0;
  runtime::check_cuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device),
                      "cudaDeviceGetAttribute");
  runtime::check_cuda(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device),
                      "cudaDeviceGetAttribute");
  out.architecture_ = major * 10 + minor;
  return out;
}

CudnnTarget CudnnTarget::described(const std::string& json) {
  auto description = std::make_shared<fe::DeviceProperties>();
  auto status = description->deserialize(std::vector<std::uint8_t>(json.begin(), json.end()));
  if (status.is_bad()) {
    throw BackendError("cuDNN refused a device's description: " + status.get_message());
  }
  CudnnTarget out;
  out.description_ = std::move(description);
  out.architecture_ = nlohmann::json::parse(json).at("deviceVer").get<int>() / 10;
  return out;
}

CudnnGraph plan_with_cudnn(const CudnnTarget& target, const LibraryOp& op,
                           Float32Precision precision, const std::string& engine) {
  return plan_graph(target, any_graph(op), dtype_of_op(op), precision, engine);
}

CudnnGraph plan_graph(const CudnnTarget& target, std::shared_ptr<fe::graph::Graph> graph,
                      DType dtype, Float32Precision precision, const std::string& engine) {
  return with_our_errors([&] {
    CudnnGraph out = offered(target, std::move(graph), dtype, precision);
    if (out.supported() && !engine.empty()) out.built = build_first(target, out, engine);
    if (out.supported() && !out.built) out.built = build_first(target, out, {});
    return out;
  });
}

EngineChoices cudnn_choices(const CudnnTarget& target, const LibraryOp& op,
                            Float32Precision precision) {
  return with_our_errors([&] {
    const CudnnGraph all = offered(target, any_graph(op), dtype_of_op(op), precision);
    EngineChoices out;
    for (int i = 0; i < all.configurations; ++i) out.engines.push_back(name_of(*all.graph, i));
    out.build = [=](std::size_t i) -> std::shared_ptr<LibraryPlan> {
      CudnnGraph one = all;
      one.configuration = static_cast<int>(i);
      if (one.graph->build_plan_at_index(one.configuration).is_bad()) return nullptr;
      one.engine = name_of(*one.graph, one.configuration);
      one.built = true;
      return cudnn_plan(target, op, std::move(one));
    };
    return out;
  });
}

std::shared_ptr<LibraryPlan> cudnn_plan(const CudnnTarget& target, const LibraryOp& op,
                                        CudnnGraph planned) {
  return std::make_shared<CudnnPlan>(target, op, std::move(planned));
}

}  // namespace lamina::ops::cuda

#include "ops/cuda/libraries/cuda_engine.h"

#include <cuda_runtime_api.h>
#include <lamina/error.h>
#include <lamina/log.h>

#include <map>
#include <mutex>
#include <new>
#include <optional>

#include "kernels/launch.h"
#include "ops/cuda/libraries/cublaslt.h"
#ifdef LAMINA_HAVE_CUDNN
#include "ops/cuda/libraries/cudnn_graph.h"
#endif
#include "ops/cuda/tuner.h"
#include "runtime/cuda/cuda_call.h"

namespace lamina::ops::cuda {
namespace {

using runtime::make_current;

std::string device_name(int device) {
  cudaDeviceProp properties{};
  runtime::check_cuda(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  return properties.name;
}

/// Once in a process: kernels of ours are a good deal slower.
void warn_without(const char* library, const char* file, std::once_flag& once) {
  std::call_once(once, [&] {
    warn(std::string(library) + " (" + file + ") was not found: kernels of Lamina's own take its " +
         "place on CUDA devices, and are slower.");
  });
}

/// A plan on its device. One thread at a time uses the libraries' handles, which plans share with
/// one another and with planning.
class PlacedPlan final : public LibraryPlan {
 public:
  PlacedPlan(int device, std::shared_ptr<std::mutex> handles, std::shared_ptr<LibraryPlan> plan)
      : device_(device), handles_(std::move(handles)), plan_(std::move(plan)) {}
  ~PlacedPlan() override {
    if (runtime::cuda_has_gone()) {
      // What it is made of has gone, too.
      (void)new (std::nothrow) std::shared_ptr<LibraryPlan>(std::move(plan_));
    } else {
      runtime::try_make_current(device_);
    }
  }
  PlacedPlan(const PlacedPlan&) = delete;
  PlacedPlan& operator=(const PlacedPlan&) = delete;
  [[nodiscard]] std::size_t workspace_bytes() const override { return plan_->workspace_bytes(); }
  void run(runtime::Stream& stream, const LibraryArgs& args) override {
    make_current(device_);
    const std::lock_guard lock(*handles_);
    plan_->run(stream, args);
  }

 private:
  int device_;
  std::shared_ptr<std::mutex> handles_;
  std::shared_ptr<LibraryPlan> plan_;
};

class CudaEngine final : public Engine {
 public:
  CudaEngine(const std::shared_ptr<runtime::DeviceContext>& context, const EngineOptions& options)
      : device_(context->device().index), precision_(options.precision) {
    make_current(device_);
    if (options.autotuning.enabled) {
      tuner_.emplace(TunedEngines(tuned_engines_file(options.autotuning.directory)),
                     timer_on(context));
      where_ = device_name(device_) + (precision_ == Float32Precision::kTf32 ? ", TF32, " : ", ");
    }
    static std::once_flag cublaslt_once, cudnn_once;
    cublaslt_ = CublasLt::start(device_);
    if (!cublaslt_) warn_without("cuBLASLt", "libcublasLt.so.13", cublaslt_once);
    start_cudnn();
    if (!has_cudnn()) warn_without("cuDNN", "libcudnn.so.9", cudnn_once);
  }

  void launch(runtime::Stream& stream, const kernels::Job& job) override {
    make_current(device_);
    const int status =
        std::visit([&](const auto& each) { return kernels::launch(each, stream.native()); }, job);
    runtime::check_cuda(status, "The launch of a kernel");
  }

  [[nodiscard]] std::shared_ptr<LibraryPlan> plan(const LibraryOp& op) override {
    const std::lock_guard lock(*handles_);
    const auto [entry, fresh] = plans_.try_emplace(describe(op));
    if (!fresh) return entry->second;
    try {
      make_current(device_);
      if (auto made = make_plan(op)) {
        entry->second = std::make_shared<PlacedPlan>(device_, handles_, std::move(made));
      }
    } catch (...) {
      plans_.erase(entry);
      throw;
    }
    return entry->second;
  }

 private:
#ifdef LAMINA_HAVE_CUDNN
  void start_cudnn() {
    if (have_cudnn()) cudnn_ = CudnnTarget::current_device();
  }
  [[nodiscard]] bool has_cudnn() const {
    return cudnn_.has_value();
  }
#else
  void start_cudnn() {}
  [[nodiscard]] static bool has_cudnn() {
    return false;
  }
#endif

  [[nodiscard]] std::shared_ptr<LibraryPlan> make_plan(const LibraryOp& op) {
    if (const auto* product = std::get_if<LibraryProduct>(&op)) {
      if (!cublaslt_) return nullptr;
      const std::string engine =
          fastest(cublaslt_->name(), op, [&] { return cublaslt_->choices(*product, precision_); });
      return cublaslt_->plan(*product, precision_, engine);
    }
#ifdef LAMINA_HAVE_CUDNN
    if (cudnn_) {
      const std::string engine =
          fastest(cudnn_name(), op, [&] { return cudnn_choices(*cudnn_, op, precision_); });
      CudnnGraph planned = plan_with_cudnn(*cudnn_, op, precision_, engine);
      if (planned.built) return cudnn_plan(*cudnn_, op, std::move(planned));
    }
#endif
    return nullptr;
  }

  /// Empty: the library's own choice.
  [[nodiscard]] std::string fastest(const std::string& library, const LibraryOp& op,
                                    const std::function<EngineChoices()>& choices) {
    if (!tuner_) return {};
    return tuner_->fastest(where_ + library, op, choices).value_or("");
  }

  int device_;
  Float32Precision precision_;
  std::shared_ptr<std::mutex> handles_ = std::make_shared<std::mutex>();
  std::optional<CublasLt> cublaslt_;
#ifdef LAMINA_HAVE_CUDNN
  std::optional<CudnnTarget> cudnn_;
#endif
  std::optional<Tuner> tuner_;  ///< where engines are to be measured
  std::string where_;           ///< by what they are kept
  std::map<std::string, std::shared_ptr<LibraryPlan>> plans_;
};

}  // namespace

std::shared_ptr<Engine> make_cuda_engine(const std::shared_ptr<runtime::DeviceContext>& context,
                                         const EngineOptions& options) {
  return std::make_shared<CudaEngine>(context, options);
}

}  // namespace lamina::ops::cuda

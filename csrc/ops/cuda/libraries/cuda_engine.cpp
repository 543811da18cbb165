#include "ops/cuda/libraries/cuda_engine.h"

#include <cuda_runtime_api.h>
#include <lamina/error.h>

#include <map>
#include <mutex>
#include <optional>

#include "kernels/launch.h"
#include "ops/cuda/libraries/cublaslt.h"
#ifdef LAMINA_HAVE_CUDNN
#include "ops/cuda/libraries/cudnn_graph.h"
#endif
#include "runtime/cuda/cuda_call.h"

namespace lamina::ops::cuda {
namespace {

class CudaEngine final : public Engine {
 public:
  explicit CudaEngine(int device) : device_(device) {
    make_current();
    cublaslt_ = load_cublaslt();
#ifdef LAMINA_HAVE_CUDNN
    if (have_cudnn()) cudnn_ = CudnnTarget::current_device();
#endif
  }

  void launch(runtime::Stream& stream, const kernels::Job& job) override {
    make_current();
    const int status =
        std::visit([&](const auto& each) { return kernels::launch(each, stream.native()); }, job);
    runtime::check_cuda(status, "The launch of a kernel");
  }

  [[nodiscard]] std::shared_ptr<LibraryPlan> plan(const LibraryOp& op) override {
    const std::lock_guard lock(mutex_);
    const auto [entry, fresh] = plans_.try_emplace(describe(op));
    if (!fresh) return entry->second;
    try {
      make_current();
      entry->second = make_plan(op);
    } catch (...) {
      plans_.erase(entry);
      throw;
    }
    return entry->second;
  }

 private:
  /// CUDA's current device belongs to the calling thread.
  void make_current() const {
    runtime::check_cuda(cudaSetDevice(device_), "cudaSetDevice");
  }

  [[nodiscard]] std::shared_ptr<LibraryPlan> make_plan(const LibraryOp& op) {
    if (const auto* product = std::get_if<LibraryProduct>(&op)) {
      return cublaslt_ == nullptr ? nullptr : cublaslt_->plan(*product);
    }
#ifdef LAMINA_HAVE_CUDNN
    if (cudnn_) {
      CudnnGraph planned = plan_with_cudnn(*cudnn_, op);
      if (planned.built) return cudnn_plan(*cudnn_, op, std::move(planned));
    }
#endif
    return nullptr;
  }

  int device_;
  std::mutex mutex_;
  std::shared_ptr<CublasLt> cublaslt_;
#ifdef LAMINA_HAVE_CUDNN
  std::optional<CudnnTarget> cudnn_;
#endif
  std::map<std::string, std::shared_ptr<LibraryPlan>> plans_;
};

}  // namespace

std::shared_ptr<Engine> make_cuda_engine(Device device) {
  return std::make_shared<CudaEngine>(device.index);
}

}  // namespace lamina::ops::cuda

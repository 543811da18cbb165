#include <cuda_runtime_api.h>

#include "runtime/cuda/cuda_call.h"
#include "runtime/cuda/cuda_stream.h"

namespace lamina::runtime {
namespace {

/// A CUDA graph, ready to be launched.
class CudaRecording final : public Recording {
 public:
  CudaRecording(cudaGraph_t graph, int device) : device_(device) {
    check_cuda(cudaGraphInstantiate(&ready_, graph, 0), "cudaGraphInstantiate");
  }
  ~CudaRecording() override {
    try_make_current(device_);
    (void)cudaGraphExecDestroy(ready_);
  }
  CudaRecording(const CudaRecording&) = delete;
  CudaRecording& operator=(const CudaRecording&) = delete;
  [[nodiscard]] cudaGraphExec_t ready() const noexcept { return ready_; }

 private:
  int device_;
  cudaGraphExec_t ready_ = nullptr;
};

}  // namespace

void CudaStream::begin_recording() {
  make_current(device_);
  // Other threads go on as they please; what this one must not do fails at once.
  check_cuda(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal),
             "cudaStreamBeginCapture");
  recording_ = true;
}

std::unique_ptr<Recording> CudaStream::end_recording() {
  recording_ = false;
  try_make_current(device_);  // the stream must not stay as it is
  cudaGraph_t captured = nullptr;
  check_cuda(cudaStreamEndCapture(stream_, &captured), "cudaStreamEndCapture");
  const std::shared_ptr<CUgraph_st> graph(captured,
                                          [](auto* owned) { (void)cudaGraphDestroy(owned); });
  return std::make_unique<CudaRecording>(graph.get(), device_);
}

void CudaStream::play(const Recording& recording) {
  make_current(device_);
  check_cuda(cudaGraphLaunch(dynamic_cast<const CudaRecording&>(recording).ready(), stream_),
             "cudaGraphLaunch");
}

}  // namespace lamina::runtime

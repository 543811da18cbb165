#pragma once
#include <cuda_runtime_api.h>

#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "runtime/cuda/cuda_call.h"
#include "runtime/cuda/cuda_runtime.h"

namespace lamina::testing {

/// A stream of CUDA's whose kernels are functions of the host: given to it as launches are, so that
/// they can be recorded, unlike those that Stream::call takes on CUDA.
class FunctionStream final : public runtime::Stream {
 public:
  FunctionStream(std::unique_ptr<runtime::Stream> stream, int device)
      : stream_(std::move(stream)), device_(device) {}

  void call(std::function<void()> function) override {
    runtime::make_current(device_);
    functions_.push_back(std::move(function));  // a graph may have it for as long as this lives
    runtime::check_cuda(
        cudaLaunchHostFunc(
            static_cast<cudaStream_t>(native()),
            [](void* kept) { (*static_cast<std::function<void()>*>(kept))(); }, &functions_.back()),
        "The launch of a kernel");
  }
  void copy(std::span<const runtime::Copy> batch) override { stream_->copy(batch); }
  void record(runtime::Event& event) override { stream_->record(event); }
  void wait(const runtime::Event& event) override { stream_->wait(event); }
  void synchronize() override { stream_->synchronize(); }
  void begin_recording() override { stream_->begin_recording(); }
  std::unique_ptr<runtime::Recording> end_recording() override { return stream_->end_recording(); }
  void play(const runtime::Recording& recording) override { stream_->play(recording); }
  void* native() const noexcept override { return stream_->native(); }

 private:
  std::unique_ptr<runtime::Stream> stream_;
  int device_;
  std::deque<std::function<void()>> functions_;
};

/// CudaRuntime over the double, whose memory the host can reach: models run on it with the kernels
/// that run on hosts.
class FunctionRuntime final : public runtime::Runtime {
 public:
  explicit FunctionRuntime(int device) : device_(device), cuda_(device) {}

  std::unique_ptr<runtime::DeviceMemory> allocate(std::size_t bytes) override {
    return cuda_.allocate(bytes);
  }
  std::unique_ptr<runtime::PinnedMemory> allocate_pinned(std::size_t bytes) override {
    return cuda_.allocate_pinned(bytes);
  }
  std::unique_ptr<runtime::Stream> make_stream() override {
    return std::make_unique<FunctionStream>(cuda_.make_stream(), device_);
  }
  std::unique_ptr<runtime::Event> make_event() override { return cuda_.make_event(); }

 private:
  int device_;
  runtime::CudaRuntime cuda_;
};

}  // namespace lamina::testing

#include "runtime/cuda/cuda_stream.h"

#include <cuda_runtime_api.h>
#include <lamina/error.h>

#include <vector>

#include "runtime/cuda/cuda_call.h"

namespace lamina::runtime {
namespace {

void CUDART_CB run_host_call(void* data) {
  auto* entry = static_cast<HostCalls::Entry*>(data);
  entry->owner->run(*entry);
}

/// Without the empty ones, which a batch may not hold.
std::vector<Copy> not_empty(std::span<const Copy> batch) {
  std::vector<Copy> out;
  out.reserve(batch.size());
  for (const Copy& copy : batch) {
    if (copy.size > 0) out.push_back(copy);
  }
  return out;
}

}  // namespace

CudaEvent::CudaEvent(int device) : device_(device) {
  // Who waits sleeps: spinning, the threads that write files would take the training's cores.
  check_cuda(cudaEventCreateWithFlags(&event_, cudaEventBlockingSync), "cudaEventCreateWithFlags");
}

CudaEvent::~CudaEvent() {
  try_make_current(device_);
  (void)cudaEventDestroy(event_);
}

bool CudaEvent::done() const {
  make_current(device_);
  const cudaError_t status = cudaEventQuery(event_);
  if (status == cudaErrorNotReady) {
    (void)cudaGetLastError();  // else the next check of anybody's on this thread would report it
    return false;
  }
  check_cuda(status, "cudaEventQuery");
  if (calls_) calls_->rethrow();
  return true;
}

void CudaEvent::wait() const {
  make_current(device_);
  check_cuda(cudaEventSynchronize(event_), "cudaEventSynchronize");
  if (calls_) calls_->rethrow();
}

double CudaEvent::seconds_since(const Event& earlier) const {
  make_current(device_);
  float milliseconds = 0;
  check_cuda(
      cudaEventElapsedTime(&milliseconds, dynamic_cast<const CudaEvent&>(earlier).event_, event_),
      "cudaEventElapsedTime");
  return static_cast<double>(milliseconds) / 1000.0;
}

CudaStream::CudaStream(int device) : device_(device), calls_(std::make_shared<HostCalls>()) {
  check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking),
             "cudaStreamCreateWithFlags");
}

CudaStream::~CudaStream() {
  try_make_current(device_);
  (void)cudaStreamSynchronize(stream_);
  (void)cudaStreamDestroy(stream_);
}

bool CudaStream::takes_batches() const {
  if (recording_) return false;  // CUDA refuses to record one
  // Without this (as on WSL 2) a batch takes addresses of page-locked memory for the device's own.
  int host_addresses = 0;
  check_cuda(cudaDeviceGetAttribute(&host_addresses, cudaDevAttrCanUseHostPointerForRegisteredMem,
                                    device_),
             "cudaDeviceGetAttribute");
  return host_addresses != 0;
}

void CudaStream::copy(std::span<const Copy> batch) {
  const std::vector<Copy> copies = not_empty(batch);
  if (copies.empty()) return;
  make_current(device_);
  if (copies.size() == 1 || !takes_batches()) {
    for (const Copy& copy : copies) {
      check_cuda(cudaMemcpyAsync(copy.to, copy.from, copy.size, cudaMemcpyDefault, stream_),
                 "cudaMemcpyAsync");
    }
    return;
  }
  std::vector<void*> to;
  std::vector<const void*> from;
  std::vector<std::size_t> sizes;
  for (const Copy& copy : copies) {
    to.push_back(copy.to);
    from.push_back(copy.from);
    sizes.push_back(copy.size);
  }
  cudaMemcpyAttributes attributes{};
  attributes.srcAccessOrder = cudaMemcpySrcAccessOrderStream;
  std::size_t first = 0;  // the attributes hold from copy 0 on
  check_cuda(cudaMemcpyBatchAsync(to.data(), from.data(), sizes.data(), copies.size(), &attributes,
                                  &first, 1, stream_),
             "cudaMemcpyBatchAsync");
}

void CudaStream::call(std::function<void()> function) {
  if (recording_) {
    // It would be called once a replay, and is kept for one call.
    throw DeviceError("cudaLaunchHostFunc", "cudaErrorStreamCaptureUnsupported",
                      "functions of the host are not recorded", SourceLocation::current());
  }
  make_current(device_);
  HostCalls::Entry& entry = calls_->add(std::move(function));
  try {
    check_cuda(cudaLaunchHostFunc(stream_, run_host_call, &entry), "cudaLaunchHostFunc");
  } catch (...) {
    calls_->remove(entry);
    throw;
  }
}

void CudaStream::record(Event& event) {
  auto& mark = dynamic_cast<CudaEvent&>(event);
  make_current(device_);
  check_cuda(cudaEventRecord(mark.event_, stream_), "cudaEventRecord");
  mark.calls_ = calls_;
}

void CudaStream::wait(const Event& event) {
  const auto& mark = dynamic_cast<const CudaEvent&>(event);
  make_current(device_);
  check_cuda(cudaStreamWaitEvent(stream_, mark.event_, 0), "cudaStreamWaitEvent");
}

void CudaStream::synchronize() {
  make_current(device_);
  check_cuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
  calls_->rethrow();
}

}  // namespace lamina::runtime

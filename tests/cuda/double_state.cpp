#include "double_state.h"

#include <iterator>

#include "cuda_double.h"

namespace lamina::testing::cuda {

std::mutex mutex;
State state;

thread_local int current = 0;
thread_local bool in_function = false;
thread_local cudaError_t last = cudaSuccess;

namespace {

template <class F>
void for_recording(const F& f) {
  for (auto& [at, held] : state.held) {
    if (held.kind != Kind::kStream) continue;
    auto& stream = *static_cast<CUstream_st*>(held.owner.get());
    if (stream.recording()) f(stream);
  }
}

/// Spoils the recordings that such a call of this thread must not be made beside; whether there
/// are any.
bool disturbs_recordings() {
  bool any = false;
  for_recording([&](CUstream_st& stream) {
    const bool own = stream.recorder == std::this_thread::get_id();
    if (!own && stream.mode != cudaStreamCaptureModeGlobal) return;
    stream.spoiled = any = true;
  });
  return any;
}

/// The same for a call that waits for one of the streams, or ends it.
bool disturbs(std::initializer_list<Handle> handles) {
  bool any = false;
  for_recording([&](CUstream_st& stream) {
    for (const Handle& handle : handles) {
      if (handle.at == &stream) stream.spoiled = any = true;
    }
  });
  return any;
}

}  // namespace

cudaError_t refuse(cudaError_t status, const std::string& why) {
  state.refused.push_back(why);
  return last = status;
}

Handle of(cudaStream_t stream) {
  return {stream, Kind::kStream};
}
Handle of(cudaEvent_t event) {
  return {event, Kind::kEvent};
}

cudaError_t enter(const char* call, std::initializer_list<Handle> handles) {
  if (state.unloaded) return last = cudaErrorCudartUnloading;
  if (in_function) {
    return refuse(cudaErrorNotPermitted, std::string(call) + " by a function of a stream");
  }
  state.in_use.insert(current);
  if (state.failure != cudaSuccess) return last = state.failure;
  for (const Handle& handle : handles) {
    const auto found = state.held.find(key(handle.at));
    if (found == state.held.end() || found->second.kind != handle.kind) {
      return refuse(cudaErrorInvalidResourceHandle,
                    std::string(call) + " of something that is not there");
    }
    if (found->second.device != current) {
      return refuse(cudaErrorInvalidDevice, std::string(call) + " of device " +
                                                std::to_string(found->second.device) + " while " +
                                                std::to_string(current) + " is current");
    }
  }
  return cudaSuccess;
}

cudaError_t enter_unrecorded(const char* call, std::initializer_list<Handle> handles) {
  if (state.unloaded) return last = cudaErrorCudartUnloading;
  const bool beside = disturbs_recordings();
  if (disturbs(handles) || beside) {
    return refuse(cudaErrorStreamCaptureUnsupported, std::string(call) + " while recording");
  }
  return enter(call, handles);
}

cudaError_t enter_work(const char* call, cudaStream_t stream,
                       std::initializer_list<Handle> handles) {
  if (const auto status = enter(call, {of(stream)})) return status;
  if (const auto status = enter(call, handles)) return status;
  if (!stream->recording()) return cudaSuccess;
  if (stream->recorder != std::this_thread::get_id()) {
    stream->spoiled = true;
    return refuse(cudaErrorStreamCaptureUnsupported,
                  std::string(call) + " on a stream that another thread records");
  }
  if (!stream->spoiled) return cudaSuccess;
  return refuse(cudaErrorStreamCaptureInvalidated, std::string(call) + " for a spoiled recording");
}

const std::pair<const std::byte* const, Held>* memory_at(const void* begin, std::size_t size) {
  auto after = state.held.upper_bound(key(begin));
  while (after != state.held.begin()) {
    const auto& found = *std::prev(after);
    if (found.second.kind == Kind::kMemory || found.second.kind == Kind::kRegistered) {
      return key(begin) + size <= found.first + found.second.size ? &found : nullptr;
    }
    --after;  // a handle, which may lie between memory's begin and end no more than other memory
  }
  return nullptr;
}

}  // namespace lamina::testing::cuda

namespace lamina::testing {

CudaDouble::CudaDouble(int devices) {
  const std::lock_guard lock(cuda::mutex);
  cuda::state = cuda::State();
  cuda::state.devices = devices;
  cuda::current = 0;
}

CudaDouble::~CudaDouble() {
  const std::lock_guard lock(cuda::mutex);
  cuda::state = cuda::State();
}

std::vector<std::string> CudaDouble::refused() const {
  const std::lock_guard lock(cuda::mutex);
  return cuda::state.refused;
}

std::set<int> CudaDouble::in_use() const {
  const std::lock_guard lock(cuda::mutex);
  return cuda::state.in_use;
}

std::size_t CudaDouble::live() const {
  const std::lock_guard lock(cuda::mutex);
  return cuda::state.held.size();
}

std::size_t CudaDouble::launched_graphs() const {
  const std::lock_guard lock(cuda::mutex);
  return cuda::state.launched_graphs;
}

void CudaDouble::fail_for_good(cudaError_t status) {
  const std::lock_guard lock(cuda::mutex);
  cuda::state.failure = status;
}

void CudaDouble::unload() {
  const std::lock_guard lock(cuda::mutex);
  cuda::state.unloaded = true;
}

}  // namespace lamina::testing

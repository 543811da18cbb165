#include <cstdlib>
#include <cstring>
#include <new>
#include <optional>

#include "double_state.h"

namespace lamina::testing::cuda {
namespace {

template <class T>
cudaError_t make(const char* call, Kind kind, T** out, T value = {}) {
  const std::lock_guard lock(mutex);
  if (const auto status = enter(call)) return status;
  *out = hold(kind, std::make_shared<T>(std::move(value)));
  return cudaSuccess;
}

cudaError_t let_go(const char* call, Handle handle) {
  const std::lock_guard lock(mutex);
  if (const auto status = enter(call, {handle})) return status;
  state.held.erase(key(handle.at));
  return cudaSuccess;
}

cudaError_t check_unrecorded(const char* call, std::initializer_list<Handle> handles) {
  const std::lock_guard lock(mutex);
  return enter_unrecorded(call, handles);
}

/// As CUDA places them, and of no use yet.
std::shared_ptr<std::byte> device_bytes(std::size_t size) {
  constexpr std::size_t kAlignment = 256;
  const std::size_t rounded = (size + kAlignment - 1) / kAlignment * kAlignment;
  auto* const bytes = static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded));
  if (bytes == nullptr) throw std::bad_alloc();
  std::memset(bytes, 0xdb, rounded);
  return {bytes, [](std::byte* owned) { std::free(owned); }};
}

/// Runs on a thread of the device's, which may call nothing.
void call_there(const std::function<void()>& function) {
  std::thread([&] {
    in_function = true;
    function();
  }).join();
}

/// A copy, if its memory is there.
std::optional<Work> copy_work(const char* call, void* to, const void* from, std::size_t size) {
  const auto* const there = memory_at(to, size);
  const auto* const here = memory_at(from, size);
  if (there == nullptr || here == nullptr) {
    refuse(cudaErrorInvalidValue, std::string(call) + " of other memory");
    return std::nullopt;
  }
  return Work{[=] { std::memcpy(to, from, size); },
              {{there->first, there->second.number}, {here->first, here->second.number}}};
}

/// Whether memory is still what it was when the work was recorded.
bool is_there(const Work& work) {
  for (const auto& [at, number] : work.memory) {
    const auto found = state.held.find(at);
    if (found == state.held.end() || found->second.number != number) return false;
  }
  return true;
}

bool overlap(const void* a, std::size_t a_size, const void* b, std::size_t b_size) {
  return key(a) < key(b) + b_size && key(b) < key(a) + a_size;
}

/// Why CUDA does not take such a batch, or must not be given it.
const char* problem_of(void* const* to, const void* const* from, const std::size_t* sizes,
                       std::size_t count, const cudaMemcpyAttributes* attributes,
                       const std::size_t* first, std::size_t attribute_count) {
  if (count == 0) return "of nothing";
  if (attribute_count == 0 || attribute_count > count || first[0] != 0) {
    return "without attributes for each";
  }
  for (std::size_t i = 0; i < attribute_count; ++i) {
    if (attributes[i].srcAccessOrder != cudaMemcpySrcAccessOrderStream) {
      return "in another order than the stream's";
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (sizes[i] == 0) return "with an empty copy";
    for (std::size_t k = 0; k < count; ++k) {
      const bool written_twice = k < i && overlap(to[i], sizes[i], to[k], sizes[k]);
      if (written_twice || overlap(to[i], sizes[i], from[k], sizes[k])) {
        return "of copies that overlap";
      }
    }
  }
  return nullptr;
}

}  // namespace
}  // namespace lamina::testing::cuda

using namespace lamina::testing::cuda;  // NOLINT

cudaError_t cudaGetLastError() {
  return std::exchange(last, cudaSuccess);
}
const char* cudaGetErrorName(cudaError_t status) {
  switch (status) {
    case cudaErrorCudartUnloading:
      return "cudaErrorCudartUnloading";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorNotPermitted:
      return "cudaErrorNotPermitted";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
      return "cudaErrorStreamCaptureInvalidated";
    default:
      return "cudaError of the double";
  }
}
const char* cudaGetErrorString(cudaError_t /*status*/) {
  return "as the double has it";
}

cudaError_t cudaGetDeviceCount(int* count) {
  const std::lock_guard lock(mutex);
  *count = state.devices;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int /*device*/) {
  *properties = {"a double", 1 << 20, 9, 0};
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr /*attribute*/, int device) {
  const std::lock_guard lock(mutex);
  if (state.unloaded) return last = cudaErrorCudartUnloading;
  if (device < 0 || device >= state.devices) return last = cudaErrorInvalidDevice;
  *value = 9;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13010;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13010;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  const std::lock_guard lock(mutex);
  if (state.unloaded) return last = cudaErrorCudartUnloading;
  if (device < 0 || device >= state.devices) return last = cudaErrorInvalidDevice;
  current = device;
  return enter("cudaSetDevice");
}

cudaError_t cudaDeviceGetMemPool(cudaMemPool_t* pool, int device) {
  const std::lock_guard lock(mutex);
  *pool = &state.pools[device];
  return enter("cudaDeviceGetMemPool");
}
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr /*attribute*/,
                                    void* value) {
  std::memcpy(value, &pool->threshold, sizeof(pool->threshold));
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr /*attribute*/,
                                    void* value) {
  std::memcpy(&pool->threshold, value, sizeof(pool->threshold));
  return cudaSuccess;
}
cudaError_t cudaMallocAsync(void** memory, std::size_t size, cudaStream_t stream) {
  const std::lock_guard lock(mutex);
  if (const auto status = enter_unrecorded("cudaMallocAsync", {of(stream)})) return status;
  if (size == 0) return refuse(cudaErrorInvalidValue, "cudaMallocAsync of nothing");
  *memory = hold(Kind::kMemory, device_bytes(size), size);
  return cudaSuccess;
}
cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream) {
  const std::lock_guard lock(mutex);
  if (const auto status = enter_unrecorded("cudaFreeAsync", {of(stream)})) return status;
  if (const auto status = enter("cudaFreeAsync", {{memory, Kind::kMemory}})) return status;
  state.held.erase(key(memory));
  return cudaSuccess;
}
cudaError_t cudaHostRegister(void* memory, std::size_t size, unsigned flags) {
  const std::lock_guard lock(mutex);
  if (const auto status = enter_unrecorded("cudaHostRegister")) return status;
  if (memory == nullptr || size == 0) {
    return refuse(cudaErrorInvalidValue, "cudaHostRegister of nothing");
  }
  if ((flags & cudaHostRegisterPortable) == 0) {
    return refuse(cudaErrorInvalidValue, "cudaHostRegister for one device alone");
  }
  for (const auto& [at, held] : state.held) {
    if (held.kind != Kind::kRegistered || !overlap(at, held.size, memory, size)) continue;
    return refuse(cudaErrorHostMemoryAlreadyRegistered, "cudaHostRegister of registered memory");
  }
  state.held[key(memory)] = {Kind::kRegistered, current, size, ++state.made};
  return cudaSuccess;
}
cudaError_t cudaHostUnregister(void* memory) {
  if (const auto status = check_unrecorded("cudaHostUnregister", {})) return status;
  return let_go("cudaHostUnregister", {memory, Kind::kRegistered});
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  if (flags != cudaStreamNonBlocking) {
    const std::lock_guard lock(mutex);
    return refuse(cudaErrorInvalidValue, "cudaStreamCreateWithFlags of one that others block");
  }
  return make("cudaStreamCreateWithFlags", Kind::kStream, stream);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (const auto status = check_unrecorded("cudaStreamDestroy", {of(stream)})) return status;
  return let_go("cudaStreamDestroy", of(stream));
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return check_unrecorded("cudaStreamSynchronize", {of(stream)});
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned /*flags*/) {
  const std::lock_guard lock(mutex);
  if (const auto status = enter_work("cudaStreamWaitEvent", stream, {of(event)})) return status;
  if (!stream->recording()) return cudaSuccess;
  stream->spoiled = true;
  return refuse(cudaErrorStreamCaptureIsolation,
                "cudaStreamWaitEvent for what lies outside of a recording");
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  const auto work = [=] { function(data); };
  {
    const std::lock_guard lock(mutex);
    if (const auto status = enter_work("cudaLaunchHostFunc", stream)) return status;
    if (stream->recording()) {
      stream->recorded.push_back({[=] { call_there(work); }});
      return cudaSuccess;
    }
  }
  call_there(work);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t size, cudaMemcpyKind /*kind*/,
                            cudaStream_t stream) {
  const std::lock_guard lock(mutex);
  if (const auto status = enter_work("cudaMemcpyAsync", stream)) return status;
  std::optional<Work> work = copy_work("cudaMemcpyAsync", to, from, size);
  if (!work) return cudaErrorInvalidValue;
  if (stream->recording()) {
    stream->recorded.push_back(std::move(*work));
  } else {
    work->run();
  }
  return cudaSuccess;
}
cudaError_t cudaMemcpyBatchAsync(void* const* to, const void* const* from, const std::size_t* sizes,
                                 std::size_t count, cudaMemcpyAttributes* attributes,
                                 std::size_t* first, std::size_t attribute_count,
                                 cudaStream_t stream) {
  const std::lock_guard lock(mutex);
  if (const auto status = enter_unrecorded("cudaMemcpyBatchAsync", {of(stream)})) return status;
  if (const char* problem =
          problem_of(to, from, sizes, count, attributes, first, attribute_count)) {
    return refuse(cudaErrorInvalidValue, std::string("cudaMemcpyBatchAsync ") + problem);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::optional<Work> work = copy_work("cudaMemcpyBatchAsync", to[i], from[i], sizes[i]);
    if (!work) return cudaErrorInvalidValue;
    work->run();
  }
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return make("cudaEventCreateWithFlags", Kind::kEvent, event,
              {(flags & cudaEventDisableTiming) == 0});
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return let_go("cudaEventDestroy", of(event));
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const std::lock_guard lock(mutex);
  const auto status = enter_unrecorded("cudaEventRecord", {of(event), of(stream)});
  if (status != cudaSuccess) return status;
  event->recorded = true;
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  return check_unrecorded("cudaEventQuery", {of(event)});
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return check_unrecorded("cudaEventSynchronize", {of(event)});
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t first, cudaEvent_t second) {
  const std::lock_guard lock(mutex);
  const auto status = enter("cudaEventElapsedTime", {of(first), of(second)});
  if (status != cudaSuccess) return status;
  for (const cudaEvent_t event : {first, second}) {
    if (event->timed && event->recorded) continue;
    return refuse(cudaErrorInvalidResourceHandle, "cudaEventElapsedTime without a time");
  }
  *milliseconds = 0;
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  const std::lock_guard lock(mutex);
  if (const auto status = enter("cudaStreamBeginCapture", {of(stream)})) return status;
  if (stream->recording()) {
    return refuse(cudaErrorIllegalState, "cudaStreamBeginCapture while recording");
  }
  stream->recorder = std::this_thread::get_id();
  stream->mode = mode;
  stream->spoiled = false;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::lock_guard lock(mutex);
  *graph = nullptr;
  if (const auto status = enter("cudaStreamEndCapture", {of(stream)})) return status;
  if (!stream->recording()) {
    return refuse(cudaErrorIllegalState, "cudaStreamEndCapture of what does not record");
  }
  if (stream->recorder != std::this_thread::get_id()) {
    return refuse(cudaErrorStreamCaptureWrongThread, "cudaStreamEndCapture by another thread");
  }
  stream->recorder = {};
  std::vector<Work> work = std::exchange(stream->recorded, {});
  if (stream->spoiled) return last = cudaErrorStreamCaptureInvalidated;
  *graph = hold(Kind::kGraph, std::make_shared<CUgraph_st>(CUgraph_st{std::move(work)}));
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* ready, cudaGraph_t graph,
                                 unsigned long long /*flags*/) {
  const std::lock_guard lock(mutex);
  if (const auto status = enter("cudaGraphInstantiate", {{graph, Kind::kGraph}})) return status;
  *ready = hold(Kind::kReadyGraph, std::make_shared<CUgraphExec_st>(CUgraphExec_st{graph->work}));
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t ready, cudaStream_t stream) {
  std::vector<Work> all;
  {
    const std::lock_guard lock(mutex);
    if (const auto status = enter_work("cudaGraphLaunch", stream, {{ready, Kind::kReadyGraph}})) {
      return status;
    }
    if (stream->recording()) {
      return refuse(cudaErrorNotPermitted, "cudaGraphLaunch within a recording");
    }
    for (const Work& work : ready->work) {
      if (is_there(work)) continue;
      return refuse(cudaErrorIllegalAddress, "cudaGraphLaunch of memory that has gone");
    }
    ++state.launched_graphs;
    all = ready->work;
  }
  for (const Work& work : all) work.run();  // which may call functions
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return let_go("cudaGraphDestroy", {graph, Kind::kGraph});
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t ready) {
  return let_go("cudaGraphExecDestroy", {ready, Kind::kReadyGraph});
}

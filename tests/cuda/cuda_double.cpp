#include "cuda_double.h"

#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

using Work = std::vector<std::function<void()>>;

struct CUstream_st {
  Work recorded = {};
  bool recording = false;
};
struct CUevent_st {};
struct CUgraph_st {
  Work work = {};
};
struct CUgraphExec_st {
  Work work = {};
};
struct CUmemPoolHandle_st {
  std::uint64_t threshold = 0;
};

namespace lamina::testing {
namespace {

struct Held {
  int device = 0;
  std::size_t size = 1;
  std::shared_ptr<void> owner = {};  ///< none of registered memory
};

struct State {
  int devices = 0;
  std::map<const std::byte*, Held> held;
  std::map<int, CUmemPoolHandle_st> pools;
  std::set<int> in_use;
  std::vector<std::string> refused;
  cudaError_t failure = cudaSuccess;
  bool unloaded = false;
};

std::mutex mutex;  // of the state
State state;

thread_local int current = 0;
thread_local int recording = 0;  ///< streams that this thread records
thread_local bool in_function = false;
thread_local cudaError_t last = cudaSuccess;

const std::byte* key(const void* handle) {
  return static_cast<const std::byte*>(handle);
}

cudaError_t refuse(cudaError_t status, const std::string& why) {
  state.refused.push_back(why);
  return last = status;
}

/// The checks of every call that has to do with a device; with the mutex locked.
cudaError_t enter(const char* call, std::initializer_list<const void*> handles = {}) {
  if (state.unloaded) return last = cudaErrorCudartUnloading;
  if (in_function) {
    return refuse(cudaErrorNotPermitted, std::string(call) + " by a function of a stream");
  }
  state.in_use.insert(current);
  if (state.failure != cudaSuccess) return last = state.failure;
  for (const void* handle : handles) {
    const auto found = state.held.find(key(handle));
    if (found == state.held.end()) {
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

/// The same for what must not be called while this thread records.
cudaError_t enter_unrecorded(const char* call, std::initializer_list<const void*> handles) {
  if (recording > 0 && !state.unloaded) {
    return refuse(cudaErrorStreamCaptureUnsupported, std::string(call) + " while recording");
  }
  return enter(call, handles);
}

template <class T>
T* hold(std::shared_ptr<T> made, std::size_t size = 1) {
  T* const handle = made.get();
  state.held[key(handle)] = {current, size, std::move(made)};
  return handle;
}

template <class T>
cudaError_t make(const char* call, T** out) {
  const std::lock_guard lock(mutex);
  if (const auto status = enter(call)) return status;
  *out = hold(std::make_shared<T>());
  return cudaSuccess;
}

cudaError_t let_go(const char* call, const void* handle) {
  const std::lock_guard lock(mutex);
  if (const auto status = enter(call, {handle})) return status;
  state.held.erase(key(handle));
  return cudaSuccess;
}

cudaError_t check(const char* call, std::initializer_list<const void*> handles) {
  const std::lock_guard lock(mutex);
  return enter(call, handles);
}

cudaError_t check_wait(const char* call, std::initializer_list<const void*> handles) {
  const std::lock_guard lock(mutex);
  return enter_unrecorded(call, handles);
}

/// Whether these bytes are all of one memory that is held.
bool holds(const void* begin, std::size_t size) {
  auto after = state.held.upper_bound(key(begin));
  if (after == state.held.begin()) return false;
  const auto& [at, held] = *std::prev(after);
  return key(begin) + size <= at + held.size;
}

cudaError_t copy(const char* call, void* to, const void* from, std::size_t size,
                 cudaStream_t stream) {
  const std::lock_guard lock(mutex);
  if (const auto status = enter(call, {stream})) return status;
  if (!holds(to, size) || !holds(from, size)) {
    return refuse(cudaErrorInvalidValue, std::string(call) + " of other memory");
  }
  const auto work = [=] { std::memcpy(to, from, size); };
  if (stream->recording) {
    stream->recorded.emplace_back(work);
  } else {
    work();
  }
  return cudaSuccess;
}

}  // namespace

CudaDouble::CudaDouble(int devices) {
  const std::lock_guard lock(mutex);
  state = State();
  state.devices = devices;
  current = 0;
}

CudaDouble::~CudaDouble() {
  const std::lock_guard lock(mutex);
  state = State();
}

std::vector<std::string> CudaDouble::refused() const {
  const std::lock_guard lock(mutex);
  return state.refused;
}

std::set<int> CudaDouble::in_use() const {
  const std::lock_guard lock(mutex);
  return state.in_use;
}

std::size_t CudaDouble::live() const {
  const std::lock_guard lock(mutex);
  return state.held.size();
}

void CudaDouble::fail_for_good(cudaError_t status) {
  const std::lock_guard lock(mutex);
  state.failure = status;
}

void CudaDouble::unload() {
  const std::lock_guard lock(mutex);
  state.unloaded = true;
}

}  // namespace lamina::testing

using namespace lamina::testing;  // NOLINT

cudaError_t cudaGetLastError() {
  return std::exchange(last, cudaSuccess);
}
const char* cudaGetErrorName(cudaError_t status) {
  switch (status) {
    case cudaErrorCudartUnloading:
      return "cudaErrorCudartUnloading";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorNotPermitted:
      return "cudaErrorNotPermitted";
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
  if (const auto status = enter_unrecorded("cudaMallocAsync", {stream})) return status;
  *memory = hold(
      std::shared_ptr<std::byte>(new std::byte[size], std::default_delete<std::byte[]>()), size);
  return cudaSuccess;
}
cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream) {
  if (const auto status = check_wait("cudaFreeAsync", {stream})) return status;
  return let_go("cudaFreeAsync", memory);
}
cudaError_t cudaHostRegister(void* memory, std::size_t size, unsigned /*flags*/) {
  const std::lock_guard lock(mutex);
  if (const auto status = enter_unrecorded("cudaHostRegister", {})) return status;
  state.held[key(memory)] = {current, size};
  return cudaSuccess;
}
cudaError_t cudaHostUnregister(void* memory) {
  return let_go("cudaHostUnregister", memory);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned /*flags*/) {
  return make("cudaStreamCreateWithFlags", stream);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return let_go("cudaStreamDestroy", stream);
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return check_wait("cudaStreamSynchronize", {stream});
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned /*flags*/) {
  return check("cudaStreamWaitEvent", {stream, event});
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  if (const auto status = check("cudaLaunchHostFunc", {stream})) return status;
  std::thread([=] {
    in_function = true;
    function(data);
  }).join();
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t size, cudaMemcpyKind /*kind*/,
                            cudaStream_t stream) {
  return copy("cudaMemcpyAsync", to, from, size, stream);
}
cudaError_t cudaMemcpyBatchAsync(void* const* to, const void* const* from, const std::size_t* sizes,
                                 std::size_t count, cudaMemcpyAttributes* /*attributes*/,
                                 std::size_t* /*first*/, std::size_t /*attribute_count*/,
                                 cudaStream_t stream) {
  if (const auto status = check_wait("cudaMemcpyBatchAsync", {stream})) return status;
  for (std::size_t i = 0; i < count; ++i) {
    if (const auto status = copy("cudaMemcpyBatchAsync", to[i], from[i], sizes[i], stream)) {
      return status;
    }
  }
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned /*flags*/) {
  return make("cudaEventCreateWithFlags", event);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return let_go("cudaEventDestroy", event);
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return check_wait("cudaEventRecord", {event, stream});
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  return check_wait("cudaEventQuery", {event});
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return check_wait("cudaEventSynchronize", {event});
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t first, cudaEvent_t second) {
  *milliseconds = 0;
  return check("cudaEventElapsedTime", {first, second});
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode /*mode*/) {
  const std::lock_guard lock(mutex);
  if (const auto status = enter("cudaStreamBeginCapture", {stream})) return status;
  stream->recording = true;
  ++recording;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::lock_guard lock(mutex);
  --recording;
  if (const auto status = enter("cudaStreamEndCapture", {stream})) return status;
  stream->recording = false;
  *graph = hold(std::make_shared<CUgraph_st>(CUgraph_st{std::exchange(stream->recorded, {})}));
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* ready, cudaGraph_t graph,
                                 unsigned long long /*flags*/) {
  const std::lock_guard lock(mutex);
  if (const auto status = enter("cudaGraphInstantiate", {graph})) return status;
  *ready = hold(std::make_shared<CUgraphExec_st>(CUgraphExec_st{graph->work}));
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t ready, cudaStream_t stream) {
  const std::lock_guard lock(mutex);
  if (const auto status = enter("cudaGraphLaunch", {ready, stream})) return status;
  for (const auto& work : ready->work) work();
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return let_go("cudaGraphDestroy", graph);
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t ready) {
  return let_go("cudaGraphExecDestroy", ready);
}

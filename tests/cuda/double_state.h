#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

struct CUmemPoolHandle_st {
  std::uint64_t threshold = 0;
};

// What the calls of the double have in common: what there is, and the rules of who may call what.
namespace lamina::testing::cuda {

enum class Kind { kMemory, kRegistered, kStream, kEvent, kGraph, kReadyGraph };

struct Held {
  Kind kind = Kind::kMemory;
  int device = 0;
  std::size_t size = 1;
  std::uint64_t number = 0;          ///< no other had, has or will have it
  std::shared_ptr<void> owner = {};  ///< none of registered memory
};

/// Work of a stream, and the memory that it names.
struct Work {
  std::function<void()> run;
  std::vector<std::pair<const std::byte*, std::uint64_t>> memory = {};  ///< and its number
};

struct State {
  int devices = 0;
  std::uint64_t made = 0;
  std::size_t launched_graphs = 0;
  std::map<const std::byte*, Held> held;
  std::map<int, CUmemPoolHandle_st> pools;
  std::set<int> in_use;
  std::vector<std::string> refused;
  cudaError_t failure = cudaSuccess;
  bool unloaded = false;
};

extern std::mutex mutex;  // of the state
extern State state;

extern thread_local int current;
extern thread_local bool in_function;
extern thread_local cudaError_t last;

[[nodiscard]] inline const std::byte* key(const void* handle) {
  return static_cast<const std::byte*>(handle);
}

// All of these with the mutex locked.

cudaError_t refuse(cudaError_t status, const std::string& why);

/// A handle and what it has to be.
struct Handle {
  const void* at;
  Kind kind;
};
[[nodiscard]] Handle of(cudaStream_t stream);
[[nodiscard]] Handle of(cudaEvent_t event);

/// The checks of every call that has to do with a device.
[[nodiscard]] cudaError_t enter(const char* call, std::initializer_list<Handle> handles = {});
/// The same for what a thread must not call while it records, nor any while one records in global
/// mode: a recording that this disturbs is spoiled.
[[nodiscard]] cudaError_t enter_unrecorded(const char* call,
                                           std::initializer_list<Handle> handles = {});
/// The same for work that is given to a stream.
[[nodiscard]] cudaError_t enter_work(const char* call, cudaStream_t stream,
                                     std::initializer_list<Handle> handles = {});

template <class T>
T* hold(Kind kind, std::shared_ptr<T> made, std::size_t size = 1) {
  T* const handle = made.get();
  state.held[key(handle)] = {kind, current, size, ++state.made, std::move(made)};
  return handle;
}

/// What holds all of these bytes of memory, of either kind; null where nothing does.
[[nodiscard]] const std::pair<const std::byte* const, Held>* memory_at(const void* begin,
                                                                       std::size_t size);

}  // namespace lamina::testing::cuda

struct CUstream_st {
  std::vector<lamina::testing::cuda::Work> recorded = {};
  std::thread::id recorder = {};  ///< none: it does its work
  cudaStreamCaptureMode mode = cudaStreamCaptureModeThreadLocal;
  bool spoiled = false;
  [[nodiscard]] bool recording() const { return recorder != std::thread::id(); }
};
struct CUevent_st {
  bool timed = true, recorded = false;
};
struct CUgraph_st {
  std::vector<lamina::testing::cuda::Work> work = {};
};
struct CUgraphExec_st {
  std::vector<lamina::testing::cuda::Work> work = {};
};

#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace lamina::testing {

/// CUDA's runtime as the sources of csrc/runtime/cuda see it in this program, for as long as this
/// lives; one at a time. It does all work at once, on the host. What it looks at is who calls what,
/// and it refuses what CUDA refuses, or takes and must not be given:
///
/// - what has to do with another device than the calling thread's current one, 0 at first, where
///   CUDA would put that one into use; and any call by a function that CUDA calls;
/// - of a thread that records, all but work for the stream that it records; of other threads, work
///   for that stream and waits for it, and where it records in global mode what that forbids. The
///   recording is spoiled then, takes no more work, and comes to nothing;
/// - copies of memory that is neither the device's nor registered; batches that are empty, have
///   empty copies or such as overlap; a graph of memory that has gone since it was recorded, though
///   other memory may lie there now;
/// - what is released as something else than it is, or registered twice; times of events that have
///   none; streams that the default one would block.
class CudaDouble {
 public:
  explicit CudaDouble(int devices);
  ~CudaDouble();
  CudaDouble(const CudaDouble&) = delete;
  CudaDouble& operator=(const CudaDouble&) = delete;

  /// What was refused, also where the caller did not look: a line for each.
  [[nodiscard]] std::vector<std::string> refused() const;
  /// The devices that have been put into use.
  [[nodiscard]] std::set<int> in_use() const;
  /// Streams, events, graphs, memory and registered memory that there are.
  [[nodiscard]] std::size_t live() const;
  /// How often graphs were launched.
  [[nodiscard]] std::size_t launched_graphs() const;

  /// From now on whatever concerns a device fails so.
  void fail_for_good(cudaError_t status);
  /// As at the end of the process: nothing can be called any more.
  void unload();
};

}  // namespace lamina::testing

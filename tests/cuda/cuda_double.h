#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace lamina::testing {

/// CUDA's runtime as the sources of csrc/runtime/cuda see it in this program, for as long as this
/// lives; one at a time. It does all work at once, on the host. What it looks at is who calls: each
/// thread has a current device, 0 at first, and a call that has to do with another is refused,
/// where CUDA would put the current one into use; so is one by a function that CUDA calls, or one
/// that must not be made while a stream records.
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

  /// From now on whatever concerns a device fails so.
  void fail_for_good(cudaError_t status);
  /// As at the end of the process: nothing can be called any more.
  void unload();
};

}  // namespace lamina::testing

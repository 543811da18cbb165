#pragma once
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "graph/program.h"
#include "ops/backend.h"

namespace lamina::graph {

/// Keeps kernels' packed parameters in step with the variables they come from.
class Parameters {
 public:
  /// Variables may be on the host or on `device`, where the kernels are.
  explicit Parameters(Device device) : device_(device) {}

  /// `kernel` packs `params`; both must outlive this.
  void add(ops::Kernel& kernel, const std::vector<Param>& params);

  /// Packs what is stale, one kernel at a time, so that at most one kernel's parameters exist
  /// beside the variables. With `release`, a variable's value goes as soon as no stale kernel needs
  /// it. After a throw, what was packed stays packed; the next call goes on.
  void refresh(bool release);
  /// How often a kernel was, or should have been, given parameters: what was recorded of kernels
  /// holds as long as this stays.
  [[nodiscard]] std::uint64_t packs() const { return packs_; }

 private:
  struct Source {
    Variable* variable;
    std::uint64_t packed_version;
  };
  struct Entry {
    ops::Kernel* kernel;
    const std::vector<Param>* params;
    std::vector<Source> sources;  ///< each variable once
    bool packed = false;
  };
  using Counts = std::unordered_map<Variable*, std::size_t>;

  [[nodiscard]] static bool stale(const Entry& entry);
  void require_reachable(const Entry& entry) const;
  void pack(Entry& entry);
  [[nodiscard]] Counts stale_readers() const;
  static void release_read(const Entry& entry, Counts& waiting);

  Device device_;
  std::uint64_t packs_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace lamina::graph

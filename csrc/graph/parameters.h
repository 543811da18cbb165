#pragma once
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "graph/program.h"
#include "ops/backend.h"

namespace lamina::graph {

/// Keeps kernels' packed parameters in step with the variables they come from.
class Parameters {
 public:
  /// Variables may be on the host or on the backend's device, where the kernels are.
  explicit Parameters(std::shared_ptr<ops::Backend> backend) : backend_(std::move(backend)) {}

  /// `kernel` packs `params`; both must outlive this.
  void add(ops::Kernel& kernel, const std::vector<Param>& params);

  /// The variable is not released: runs change it.
  void keep(const Variable& variable) { kept_.insert(&variable); }

  /// Packs what is stale, one kernel at a time, so that at most one kernel's parameters exist
  /// beside the variables. With `release`, a variable's value goes as soon as no stale kernel needs
  /// it. After a throw, what was packed stays packed; the next call goes on.
  void refresh(bool release);

 private:
  struct Source {
    Variable* variable;
    std::uint64_t packed_version;
  };
  /// A device's variable in the dtype that the kernel is given.
  struct Conversion {
    ops::KernelPtr kernel;
    Tensor result;
  };
  struct Entry {
    ops::Kernel* kernel;
    const std::vector<Param>* params;
    std::vector<Source> sources;          ///< each variable once
    std::vector<Conversion> conversions;  ///< of each parameter that needs one
    bool packed = false;
  };
  using Counts = std::unordered_map<Variable*, std::size_t>;

  [[nodiscard]] static bool stale(const Entry& entry);
  [[nodiscard]] static std::size_t source_bytes(const Entry& entry);
  [[nodiscard]] std::vector<Entry*> stale_by_size();
  void require_reachable(const Entry& entry) const;
  void pack(Entry& entry);
  [[nodiscard]] bool is_there(const Param& param) const;
  [[nodiscard]] Tensor value_there(const Param& param, Conversion& conversion);
  [[nodiscard]] Counts stale_readers() const;
  void release_read(const Entry& entry, Counts& waiting) const;

  std::shared_ptr<ops::Backend> backend_;
  std::vector<Entry> entries_;
  std::unordered_set<const Variable*> kept_;
};

}  // namespace lamina::graph

#pragma once
#include <list>
#include <memory>
#include <mutex>

#include "checkpoint/save/save_job.h"

namespace lamina::checkpoint {

/// The plans of the trees saved last. To walk a tree and divide it among files takes about a
/// microsecond a variable, which a save that repeats need not spend. Safe for use by several
/// threads.
class PlanCache {
 public:
  explicit PlanCache(std::size_t most) : most_(most) {}

  /// `plan_save(job)`: kept from before when the tree is the same object and is divided, sealed
  /// and aligned alike, else made, and kept as long as the tree lives. Trees that nobody shares are
  /// not kept.
  [[nodiscard]] std::shared_ptr<const SavePlan> get(const SaveJob& job);

  /// Plans that are kept, of dead trees as well.
  [[nodiscard]] std::size_t size() const;

 private:
  struct Entry {
    std::weak_ptr<const weights::WeightTree> tree;
    std::optional<ShardLimit> limit;
    std::unordered_set<weights::NodeId> skip;
    bool seal, align;
    std::shared_ptr<const SavePlan> plan;

    [[nodiscard]] bool fits(const SaveJob& job) const;
  };

  const std::size_t most_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // most recently used first
};

/// The process's cache (see core/per_process.h).
[[nodiscard]] PlanCache& plan_cache();

}  // namespace lamina::checkpoint

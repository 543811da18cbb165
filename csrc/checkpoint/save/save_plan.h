#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "checkpoint/save/shard_plan.h"
#include "h5/write/layout.h"
#include "weights/weight_tree.h"

namespace lamina::checkpoint {

struct SaveJob;

/// The layouts of a plan's shards, which live as long as the cache of layouts keeps them: so a save
/// that repeats need not describe its structure again to find them. Safe for use by several
/// threads.
class KnownLayouts {
 public:
  /// Null when shard `i` has none any more.
  [[nodiscard]] std::shared_ptr<const h5::Layout> get(std::size_t i) const;
  void put(std::size_t i, const std::shared_ptr<const h5::Layout>& layout);

 private:
  mutable std::mutex mutex_;
  std::vector<std::weak_ptr<const h5::Layout>> layouts_;
};

/// What of a tree goes where.
struct SavePlan {
  std::vector<weights::WeightEntry> entries;
  ShardPlan shards;
  bool align = true;  ///< large tensors
  std::shared_ptr<KnownLayouts> layouts = std::make_shared<KnownLayouts>();
};

/// The bound of a shard, infinity for one that is no number; nothing for a single file.
[[nodiscard]] std::optional<ShardLimit> shard_limit(const SaveJob& job);

/// Throws ValueError for two objects at one path, or a variable that no shard can hold.
[[nodiscard]] SavePlan plan_save(const SaveJob& job);

}  // namespace lamina::checkpoint

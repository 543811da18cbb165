#include "checkpoint/save/save_plan.h"

#include <cmath>
#include <limits>

#include "checkpoint/save/save_job.h"

namespace lamina::checkpoint {
namespace {

constexpr double kGigabyte = 1024.0 * 1024.0 * 1024.0;

}  // namespace

std::shared_ptr<const h5::Layout> KnownLayouts::get(std::size_t i) const {
  const std::lock_guard lock(mutex_);
  return i < layouts_.size() ? layouts_[i].lock() : nullptr;
}

void KnownLayouts::put(std::size_t i, const std::shared_ptr<const h5::Layout>& layout) {
  const std::lock_guard lock(mutex_);
  if (i >= layouts_.size()) layouts_.resize(i + 1);
  layouts_[i] = layout;
}

std::optional<ShardLimit> shard_limit(const SaveJob& job) {
  if (!job.target.sharded) return {};
  // Of Keras nothing is larger than what is no number, either; a limit has to equal itself, though.
  const double bytes = *job.request.max_shard_size * kGigabyte;
  return ShardLimit{std::isnan(bytes) ? std::numeric_limits<double>::infinity() : bytes,
                    job.request.keep_entries_together};
}

SavePlan plan_save(const SaveJob& job) {
  std::vector<weights::WeightEntry> entries = weights::save_order(*job.tree, job.request.skip);
  ShardPlan shards = plan_shards(*job.tree, entries, shard_limit(job));
  return {.entries = std::move(entries), .shards = std::move(shards), .align = job.request.align};
}

}  // namespace lamina::checkpoint

#include "checkpoint/save/plan_cache.h"

#include <algorithm>

#include "core/per_process.h"

namespace lamina::checkpoint {
namespace {

constexpr std::size_t kProcessPlans = 8;

}  // namespace

bool PlanCache::Entry::fits(const SaveJob& job) const {
  // A tree is never changed, and as long as this weak pointer is there no other has its address.
  const bool same = !tree.owner_before(job.tree) && !job.tree.owner_before(tree) &&
                    tree.lock().get() == job.tree.get();
  return same && limit == shard_limit(job) && skip == job.request.skip &&
         seal == job.request.seal && align == job.request.align;
}

std::shared_ptr<const SavePlan> PlanCache::get(const SaveJob& job) {
  if (job.tree.use_count() == 0) return std::make_shared<const SavePlan>(plan_save(job));
  {
    const std::lock_guard lock(mutex_);
    entries_.remove_if([](const Entry& entry) { return entry.tree.expired(); });
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& entry) { return entry.fits(job); });
    if (found != entries_.end()) {
      entries_.splice(entries_.begin(), entries_, found);
      return entries_.front().plan;
    }
  }
  auto plan = std::make_shared<const SavePlan>(plan_save(job));
  const std::lock_guard lock(mutex_);
  entries_.push_front(
      {job.tree, shard_limit(job), job.request.skip, job.request.seal, job.request.align, plan});
  if (entries_.size() > most_) entries_.pop_back();
  return plan;
}

std::size_t PlanCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

PlanCache& plan_cache() {
  return core::PerProcess<PlanCache, kProcessPlans>::get();
}

}  // namespace lamina::checkpoint

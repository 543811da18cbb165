#include <lamina/error.h>

#include <algorithm>

#include "checkpoint/device_errors.h"
#include "checkpoint/recovery.h"
#include "checkpoint/save_files.h"
#include "checkpoint/save_job.h"
#include "checkpoint/save_plan.h"
#include "runtime/devices.h"

namespace lamina::checkpoint {
namespace {

using weights::WeightTree;

void check_built(const WeightTree& tree) {
  if (!tree.nodes.empty() && tree.nodes.front().built) return;
  throw ValueError(
      "You are saving a model that has not yet been built. Try building the model first by calling "
      "it on some data or by using `build()`.");
}

bool ask(SaveJob& job, const std::filesystem::path& given, storage::Storage& storage) {
  job.plan = plan_save(job);
  const SaveFiles files = files_of(job.target, job.plan->shards.shards.size());
  if (job.target.sharded) settle(files.checkpoint(), storage);
  return may_replace(given, files, storage);
}

/// Takes hold of the values. Only of what is saved must there be any: the rest may be released.
void take_values(SaveJob& job) {
  const WeightTree& tree = *job.tree;
  bool any_released = false;
  std::size_t count = 0;
  for (const weights::WeightNode& node : tree.nodes) count += node.variables.size();
  job.values.all.reserve(count);
  job.values.first.reserve(tree.nodes.size());
  for (const weights::WeightNode& node : tree.nodes) {
    job.values.first.push_back(job.values.all.size());
    for (const auto& [key, variable] : node.variables) {
      any_released = any_released || variable->released();
      job.values.all.push_back(variable->released() ? Variable::Snapshot() : variable->snapshot());
    }
  }
  if (!any_released) return;
  if (!job.plan) job.plan = plan_save(job);
  for (const weights::WeightEntry& entry : job.plan->entries) {
    for (const auto& [key, variable] : tree.nodes[entry.node].variables) {
      (void)variable->snapshot();
    }
  }
}

/// What devices have been given to do by now makes the values; what they are given later must not
/// hold the save up.
std::vector<runtime::DeviceMark> mark_devices(const WeightTree& tree) {
  std::vector<runtime::DeviceMark> marks;
  for (const weights::WeightNode& node : tree.nodes) {
    for (const auto& [key, variable] : node.variables) {
      const Device device = variable->device();
      const bool known = device == Device::cpu() || !variable->materialized() ||
                         std::any_of(marks.begin(), marks.end(), [&](const auto& mark) {
                           return mark.context->device() == device;
                         });
      if (known) continue;
      const auto context = runtime::devices().get(device);
      marks.push_back({context, context->mark()});
    }
  }
  return marks;
}

}  // namespace

std::optional<SaveJob> begin_save(Tree tree, const std::filesystem::path& path, SaveRequest request,
                                  storage::Storage& storage) {
  SaveTarget target = save_target(path, request.max_shard_size);
  SaveJob job{.tree = std::move(tree),
              .values = {},
              .target = std::move(target),
              .request = std::move(request),
              .plan = {}};
  check_built(*job.tree);
  if (const auto limit = shard_limit(job); limit && !all_fit(*job.tree, *limit)) {
    job.plan = plan_save(job);
  }
  if (!job.request.overwrite && !ask(job, path, storage)) return {};
  take_values(job);
  job.after = naming_device_errors("Saving '" + path.string() + "'",
                                   [&] { return mark_devices(*job.tree); });
  return job;
}

}  // namespace lamina::checkpoint

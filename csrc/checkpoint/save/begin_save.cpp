#include "checkpoint/save/begin_save.h"

#include <lamina/error.h>

#include <algorithm>

#include "checkpoint/background/save_queue.h"
#include "checkpoint/commit/recovery.h"
#include "checkpoint/names/paths.h"
#include "checkpoint/names/prompt.h"
#include "checkpoint/save/plan_cache.h"
#include "checkpoint/save/save_files.h"
#include "checkpoint/transfer/device_errors.h"
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
  job.plan = plan_cache().get(job);
  const SaveFiles files = files_of(job.target, job.plan->shards.shards.size());
  if (job.target.sharded) settle(files.checkpoint(), storage);
  const std::optional<std::filesystem::path> file = in_the_way(given, files, storage);
  if (!file) return true;
  // From here on `overwrite` is false where there was nothing to be asked about.
  return job.request.overwrite = may_overwrite(*file, terminal());
}

/// The devices, other than the CPU, that values are on.
using ValueDevices = std::vector<Device>;

/// Throws ValueError, which names it, for a variable that has been released.
void require_value(const Variable& variable) {
  (void)core::VariableSnapshot(variable);
}

/// Takes hold of the values, in one pass: there may be tens of thousands. Only of what is saved
/// must there be any: the rest may be released.
ValueDevices take_values(SaveJob& job) {
  const WeightTree& tree = *job.tree;
  ValueDevices devices;
  bool any_released = false, any_on_device = false;
  std::size_t count = 0;
  for (const weights::WeightNode& node : tree.nodes) count += node.variables.size();
  job.values.all.reserve(count);
  job.values.first.reserve(tree.nodes.size());
  for (const weights::WeightNode& node : tree.nodes) {
    job.values.first.push_back(job.values.all.size());
    for (const auto& [key, variable] : node.variables) {
      if (variable->released()) {
        any_released = true;
        job.values.all.emplace_back();
        continue;
      }
      job.values.all.emplace_back(*variable);
      const Device device = variable->device();
      if (device == Device::cpu()) continue;
      any_on_device = true;
      if (!variable->materialized()) continue;
      if (std::find(devices.begin(), devices.end(), device) == devices.end())
        devices.push_back(device);
    }
  }
  if (any_on_device) finish_saves_before_devices_go();  // of values that are yet to be made, too
  if (!any_released) return devices;
  if (!job.plan) job.plan = plan_cache().get(job);
  for (const weights::WeightEntry& entry : job.plan->entries) {
    for (const auto& [key, variable] : tree.nodes[entry.node].variables) require_value(*variable);
  }
  return devices;
}

/// What devices have been given to do by now makes the values; what they are given later must not
/// hold the save up.
std::vector<runtime::DeviceMark> mark(const ValueDevices& devices) {
  std::vector<runtime::DeviceMark> marks;
  for (const Device device : devices) marks.push_back(runtime::mark(device));
  return marks;
}

}  // namespace

std::optional<SaveJob> begin_save(TreePtr tree, const std::filesystem::path& path,
                                  SaveRequest request, storage::Storage& storage) {
  SaveTarget target =
      request.archived.empty() ? save_target(path, request.max_shard_size) : archive_target(path);
  SaveJob job{.tree = std::move(tree),
              .values = {},
              .target = std::move(target),
              .request = std::move(request),
              .plan = {}};
  check_built(*job.tree);
  check_name_lengths(job.target);
  if (const auto limit = shard_limit(job); limit && !all_fit(*job.tree, *limit)) {
    job.plan = plan_cache().get(job);
  }
  if (!job.request.overwrite && !ask(job, path, storage)) return {};
  const ValueDevices devices = take_values(job);
  job.after = naming_device_errors("Saving '" + path.string() + "'", [&] { return mark(devices); });
  return job;
}

}  // namespace lamina::checkpoint

#include <lamina/error.h>

#include "checkpoint/recovery.h"
#include "checkpoint/save_files.h"
#include "checkpoint/save_job.h"
#include "checkpoint/save_plan.h"

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

/// Objects that are not saved may have no values any more.
Values take_values(const WeightTree& tree, const std::unordered_set<weights::NodeId>& skip) {
  Values out(tree.nodes.size());
  for (weights::NodeId node = 0; node < tree.nodes.size(); ++node) {
    if (skip.contains(node)) continue;
    out[node].reserve(tree.nodes[node].variables.size());
    for (const auto& [key, variable] : tree.nodes[node].variables) {
      out[node].push_back(variable->snapshot());
    }
  }
  return out;
}

}  // namespace

std::optional<SaveJob> begin_save(Tree tree, const std::filesystem::path& path, SaveRequest request,
                                  storage::Storage& storage) {
  SaveJob job{std::move(tree), {}, save_target(path, request.max_shard_size), std::move(request)};
  check_built(*job.tree);
  if (const auto limit = shard_limit(job); limit && !all_fit(*job.tree, *limit)) {
    job.plan = plan_save(job);
  }
  if (!job.request.overwrite && !ask(job, path, storage)) return {};
  job.values = take_values(*job.tree, job.request.skip);
  return job;
}

}  // namespace lamina::checkpoint

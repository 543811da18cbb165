#include <lamina/error.h>

#include <algorithm>
#include <unordered_set>

#include "checkpoint/checkpoint.h"
#include "checkpoint/commit.h"
#include "checkpoint/index.h"
#include "checkpoint/paths.h"
#include "checkpoint/prompt.h"
#include "checkpoint/read_text.h"
#include "checkpoint/shard_plan.h"
#include "checkpoint/transfer.h"
#include "h5/layout.h"

namespace lamina::checkpoint {
namespace {

using std::filesystem::path;
using weights::WeightEntry;
using weights::WeightTree;

constexpr double kGigabyte = 1024.0 * 1024.0 * 1024.0;

/// A shard that is ready to be written.
struct PreparedShard {
  std::string name;
  h5::Layout layout;
  std::vector<std::pair<std::uint64_t, Tensor>> tensors;  // by offset

  [[nodiscard]] std::vector<WriteExtent> extents(storage::WritableFile* file) const {
    std::vector<WriteExtent> out;
    out.reserve(layout.metadata.size() + tensors.size());
    for (const auto& block : layout.metadata) out.push_back({file, block.offset, block.bytes});
    for (const auto& [offset, tensor] : tensors) out.push_back({file, offset, tensor.bytes()});
    return out;
  }

  [[nodiscard]] std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const WriteExtent& extent : extents(nullptr)) sum += extent.bytes.size();
    return sum;
  }
};

h5::LayoutGroup layout_group(const ShardGroup& group, const WeightTree& tree,
                             const std::vector<WeightEntry>& entries) {
  const WeightEntry& entry = entries[group.entry];
  const weights::WeightNode& node = tree.nodes[entry.node];
  h5::LayoutGroup out{entry.path, node.name, group.has_name, {}};
  for (const std::size_t i : group.variables) {
    const auto& [key, variable] = node.variables[i];
    out.datasets.push_back({key, variable->shape(), variable->dtype()});
  }
  return out;
}

PreparedShard prepare(const Shard& shard, std::string name, const WeightTree& tree,
                      const std::vector<WeightEntry>& entries) {
  PreparedShard out{std::move(name), {}, {}};
  std::vector<h5::LayoutGroup> groups;
  for (const ShardGroup& group : shard.groups) groups.push_back(layout_group(group, tree, entries));
  out.layout = h5::make_layout(groups);
  for (std::size_t g = 0; g < shard.groups.size(); ++g) {
    const auto& variables = tree.nodes[entries[shard.groups[g].entry].node].variables;
    for (std::size_t k = 0; k < shard.groups[g].variables.size(); ++k) {
      const Tensor& value = variables[shard.groups[g].variables[k]].variable->value();
      if (value.nbytes() > 0) out.tensors.emplace_back(out.layout.offsets[g][k], value);
    }
  }
  return out;
}

void write_shard(const PreparedShard& shard, const path& temporary, Progress& progress,
                 storage::Storage& storage) {
  const auto file = storage.create(temporary);
  file->resize(shard.layout.file_size);
  write_extents(shard.extents(file.get()), progress);
  file->sync();
  file->close();
}

void write_text(const std::string& text, const path& temporary, storage::Storage& storage) {
  const auto file = storage.create(temporary);
  file->write_at(0, std::as_bytes(std::span(text)));
  file->sync();
  file->close();
}

/// Shards that the index to be replaced lists and the new one does not. Only names that a save
/// under this index's name makes: whatever else an index says, it is no leave to remove other
/// files.
std::vector<std::string> obsolete_shards(const path& index, const std::vector<std::string>& names,
                                         storage::Storage& storage) {
  if (!storage.exists(index)) return {};
  const std::unordered_set<std::string> kept(names.begin(), names.end());
  std::unordered_set<std::string> seen;
  std::vector<std::string> obsolete;
  try {
    for (const IndexEntry& entry : parse_index(read_text(index, storage), index.string()).entries) {
      for (const std::string& file : entry.files) {
        if (kept.contains(file) || !seen.insert(file).second) continue;
        if (is_shard_name(file, shard_base(index))) obsolete.push_back(file);
      }
    }
  } catch (const FormatError&) {
    return {};  // what is replaced is no index that we understand
  }
  return obsolete;
}

/// Asks before any file of an older checkpoint goes, shards too. False: the user said no.
bool may_replace(const path& given, const path& directory, const std::vector<std::string>& names,
                 storage::Storage& storage) {
  if (storage.exists(given)) return may_overwrite(given, terminal());
  for (const std::string& name : names) {
    if (storage.exists(directory / name)) return may_overwrite(directory / name, terminal());
  }
  return true;
}

}  // namespace

void save(const WeightTree& tree, const path& given, const SaveRequest& request,
          storage::Storage& storage) {
  const SaveTarget target = save_target(given, request.max_shard_size);
  if (tree.nodes.empty() || !tree.nodes.front().built) {
    throw ValueError(
        "You are saving a model that has not yet been built. Try building the model first by "
        "calling "
        "it on some data or by using `build()`.");
  }
  const std::vector<WeightEntry> entries = weights::save_order(tree, request.skip);
  std::optional<ShardLimit> limit;
  if (target.sharded) limit = {*request.max_shard_size * kGigabyte, request.keep_entries_together};
  const ShardPlan plan = plan_shards(tree, entries, limit);

  const path directory = target.file.parent_path();
  std::vector<std::string> names;
  for (std::size_t i = 0; i < plan.shards.size(); ++i) {
    names.push_back(target.sharded ? shard_name(shard_base(target.file), i)
                                   : target.file.filename().string());
  }
  std::vector<std::string> guarded = names;
  if (target.sharded) guarded.push_back(target.file.filename().string());
  if (!request.overwrite && !may_replace(given, directory, guarded, storage)) return;

  std::vector<PreparedShard> shards;
  for (std::size_t i = 0; i < plan.shards.size(); ++i) {
    shards.push_back(prepare(plan.shards[i], names[i], tree, entries));
  }
  std::vector<std::string> obsolete;
  if (target.sharded) obsolete = obsolete_shards(target.file, names, storage);

  std::uint64_t total = 0;
  for (const PreparedShard& shard : shards) total += shard.bytes();
  Progress progress(request.progress, total);
  Commit commit(storage, directory);
  for (const PreparedShard& shard : shards) {
    write_shard(shard, commit.stage(shard.name), progress, storage);
  }
  if (target.sharded) {
    write_text(index_text(make_index(plan, tree, entries, names)),
               commit.stage(target.file.filename().string()), storage);
  }
  commit.run(obsolete);
}

}  // namespace lamina::checkpoint

#include <lamina/error.h>

#include <unordered_set>

#include "checkpoint/checkpoint.h"
#include "checkpoint/commit.h"
#include "checkpoint/index.h"
#include "checkpoint/paths.h"
#include "checkpoint/prepared_shard.h"
#include "checkpoint/prompt.h"
#include "checkpoint/read_text.h"
#include "checkpoint/recovery.h"
#include "checkpoint/shard_plan.h"
#include "checkpoint/transfer.h"

namespace lamina::checkpoint {
namespace {

using std::filesystem::path;
using weights::WeightEntry;
using weights::WeightTree;

constexpr double kGigabyte = 1024.0 * 1024.0 * 1024.0;

/// The files of one checkpoint, all in one directory.
struct Files {
  path directory;
  std::vector<std::string> shards;
  std::string index;  // empty: a single file
};

Files files_of(const SaveTarget& target, std::size_t shards) {
  const path file = target.sharded ? target.file : resolved(target.file);
  Files out{file.parent_path(), {}, {}};
  if (!target.sharded) {
    out.shards.push_back(file.filename().string());
    return out;
  }
  out.index = file.filename().string();
  for (std::size_t i = 0; i < shards; ++i) out.shards.push_back(shard_name(shard_base(file), i));
  return out;
}

/// Asks before any file of an older checkpoint goes, shards too. False: the user said no.
bool may_replace(const path& given, const Files& files, storage::Storage& storage) {
  std::vector<path> guarded{given, files.directory / files.index};
  for (const std::string& shard : files.shards) guarded.push_back(files.directory / shard);
  for (const path& file : guarded) {
    if (file.has_filename() && storage.exists(file)) return may_overwrite(file, terminal());
  }
  return true;
}

/// Shards that the index to be replaced lists and the new one does not. Only names that a save
/// under this index's name makes: whatever else an index says, it is no leave to remove other
/// files.
std::vector<std::string> obsolete_shards(const Files& files, storage::Storage& storage) {
  const path index = files.directory / files.index;
  if (files.index.empty() || !storage.exists(index)) return {};
  Index old;
  try {
    old = parse_index(read_text(index, storage), index.string());
  } catch (const FormatError&) {
    return {};  // what is replaced is no index that we understand
  }
  std::unordered_set<std::string> seen(files.shards.begin(), files.shards.end());
  std::vector<std::string> obsolete;
  for (const IndexEntry& entry : old.entries) {
    for (const std::string& file : entry.files) {
      if (seen.insert(file).second && is_shard_name(file, shard_base(index)))
        obsolete.push_back(file);
    }
  }
  return obsolete;
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

void check_built(const WeightTree& tree) {
  if (!tree.nodes.empty() && tree.nodes.front().built) return;
  throw ValueError(
      "You are saving a model that has not yet been built. Try building the model first by calling "
      "it on "
      "some data or by using `build()`.");
}

}  // namespace

// Everything that can be known to fail is checked before the first byte is written.
void save(const WeightTree& tree, const path& given, const SaveRequest& request,
          storage::Storage& storage) {
  const SaveTarget target = save_target(given, request.max_shard_size);
  check_built(tree);
  const std::vector<WeightEntry> entries = weights::save_order(tree, request.skip);
  std::optional<ShardLimit> limit;
  if (target.sharded) limit = {*request.max_shard_size * kGigabyte, request.keep_entries_together};
  const ShardPlan plan = plan_shards(tree, entries, limit);
  const Files files = files_of(target, plan.shards.size());
  if (target.sharded) settle(files.directory / files.index, storage);
  if (!request.overwrite && !may_replace(given, files, storage)) return;

  std::vector<PreparedShard> shards;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < plan.shards.size(); ++i) {
    shards.push_back(prepare_shard(plan.shards[i], files.shards[i], tree, entries));
    total += shards.back().bytes();
  }

  Progress progress(request.progress, total);
  Commit commit(storage, files.directory / (target.sharded ? files.index : files.shards.front()));
  const std::vector<std::string> obsolete = obsolete_shards(files, storage);
  for (const PreparedShard& shard : shards) {
    write_shard(shard, commit.stage(shard.name), progress, storage);
  }
  if (target.sharded) {
    const std::string text = index_text(make_index(plan, tree, entries, files.shards));
    write_text(text, commit.stage(files.index), storage);
  }
  commit.run(obsolete);
}

}  // namespace lamina::checkpoint

#include "checkpoint/save/save.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include "checkpoint/commit/commit.h"
#include "checkpoint/commit/fresh_directory.h"
#include "checkpoint/index/index_seal.h"
#include "checkpoint/save/begin_save.h"
#include "checkpoint/save/plan_cache.h"
#include "checkpoint/save/prepared_shard.h"
#include "checkpoint/save/save_files.h"
#include "checkpoint/save/shard_files.h"
#include "checkpoint/save/staging.h"
#include "checkpoint/transfer/device_errors.h"
#include "storage/text_file.h"

namespace lamina::checkpoint {
namespace {

using std::filesystem::path;
using weights::WeightTree;

/// Every byte and its place, before the first one is written.
std::vector<PreparedShard> prepare(const SaveJob& job, const SaveFiles& files,
                                   const std::optional<SaveId>& save, SaveState& state) {
  const std::vector<Shard>& shards = job.plan->shards.shards;
  std::vector<PreparedShard> out;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    state.throw_if_cancelled();
    out.push_back(prepare_shard(*job.plan, i, files.shards[i], *job.tree, job.values, save));
    bytes += out.back().bytes();
  }
  state.lay_out(bytes, shards.size());
  return out;
}

/// The text of the index; empty for a single file. Throws ValueError for one that no load would
/// take: of too many or too long paths, or of names that JSON cannot hold.
std::string index_of(const SaveJob& job, const SaveFiles& files,
                     const std::optional<SaveId>& save) {
  if (!job.target.sharded) return {};
  const Index index = make_index(job.plan->shards, *job.tree, job.plan->entries, files.shards);
  std::string text = save ? sealed_index_text(index, *save) : index_text(index);
  try {
    (void)parse_index(text, files.checkpoint().string());
  } catch (const FormatError& error) {
    throw ValueError(
        std::string("These weights cannot be saved in shards, which could not be loaded here: ")
            .append(error.what()));
  }
  return text;
}

std::unique_ptr<NewFiles> place_for(const SaveFiles& files, const SaveJob& job,
                                    storage::Storage& storage, const Waiting& waiting) {
  if (job.fresh_directory) return std::make_unique<FreshDirectory>(storage, files.directory);
  return std::make_unique<Commit>(storage, files.checkpoint(), waiting);
}

/// For the holder of the checkpoint's lock: another may have saved since it was looked whether
/// there is anything to be asked about.
void require_nothing_there(const SaveFiles& files, storage::Storage& storage) {
  const std::optional<path> file = in_the_way(files.checkpoint(), files, storage);
  if (!file) return;
  throw ValueError("'" + file->string() +
                   "' already exists: it has come there since this save began, and overwriting was "
                   "not asked for. Specify overwrite=true to replace it.");
}

/// Keras replaces a file that is another checkpoint's shard, which is lost then, or, where neither
/// is sealed, is read with the other's weights in it. Who asks to overwrite a file means what it
/// holds, and not the rest of a checkpoint that is worth nothing without it: nor can the two be
/// replaced as one. So this is refused, whatever is asked for: a name is changed sooner than
/// weights are made again.
void require_no_shard(const SaveFiles& files, storage::Storage& storage, const Waiting& waiting) {
  const std::optional<path> index = index_with_shard(files, storage, waiting);
  if (!index) return;
  const std::string file = files.checkpoint().string();
  throw ValueError(
      fmt::format("'{}' is a shard of the checkpoint '{}', which would be lost: nothing was saved. "
                  "Save under another name, or remove that index first.",
                  file, index->string()));
}

void write_checkpoint(SaveJob& job, storage::Storage& storage, SaveState& state) {
  if (!job.plan) job.plan = plan_cache().get(job);
  const SaveFiles files = files_of(job.target, job.plan->shards.shards.size());
  stage_values(job, state);
  const std::optional<SaveId> save =
      job.request.seal ? std::optional(make_save_id()) : std::nullopt;
  const std::vector<PreparedShard> shards = prepare(job, files, save, state);
  const std::string index = index_of(job, files, save);

  ByteProgress progress(job.request.progress, state.progress().bytes_total, &state);
  const Waiting waiting = [&state](const path& lock) { state.go_on_waiting_for(lock); };
  const std::unique_ptr<NewFiles> new_files = place_for(files, job, storage, waiting);
  if (!job.fresh_directory) require_no_shard(files, storage, waiting);
  if (!job.request.overwrite) require_nothing_there(files, storage);
  const std::vector<std::string> obsolete = obsolete_shards(files, storage);
  write_shards(shards, job, *new_files, {progress, storage, state});
  if (job.target.sharded) storage::write_text(new_files->stage(files.index), index, storage);
  state.begin_commit();
  new_files->run(obsolete);
}

}  // namespace

void run_save(SaveJob& job, storage::Storage& storage, SaveState& state) {
  naming_device_errors("Saving '" + job.target.file.string() + "'",
                       [&] { write_checkpoint(job, storage, state); });
}

void save(const WeightTree& tree, const path& given, const SaveRequest& request,
          storage::Storage& storage) {
  const TreePtr borrowed(TreePtr(), &tree);
  std::optional<SaveJob> job = begin_save(borrowed, given, request, storage);
  if (!job) return;
  SaveState state(given);
  run_save(*job, storage, state);
}

}  // namespace lamina::checkpoint

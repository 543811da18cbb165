#include "cli/model_files.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <filesystem>
#include <optional>
#include <utility>

#include "checkpoint/names/paths.h"
#include "checkpoint/names/prompt.h"
#include "checkpoint/save/plan_cache.h"
#include "checkpoint/save/save_files.h"
#include "cli/output_place.h"
#include "core/terminal_progress.h"
#include "models/weights/access.h"
#include "models/weights/pending_saves.h"

namespace lamina::cli {
namespace {

auto reports_to(core::TerminalProgress& bar) {
  return [&bar](std::uint64_t done, std::uint64_t total) { bar.update(done, total); };
}

/// Where a save goes, which itself warns of a name that it changes.
checkpoint::SaveTarget target_of(const std::string& out, bool sharded) {
  std::filesystem::path file = out;
  return {sharded ? file.replace_extension(".json") : file, sharded};
}

void require_shards(const Model& model, const std::string& out, const SaveOptions& options) {
  const auto named = models::Access::saves(model).names.get(model);
  checkpoint::SaveJob job{.tree = checkpoint::TreePtr(named, &named->tree),
                          .values = {},
                          .target = target_of(out, true),
                          .request = {.max_shard_size = options.max_shard_size,
                                      .keep_entries_together = options.keep_entries_together,
                                      .skip = {},
                                      .progress = {},
                                      .seal = options.seal,
                                      .align = options.align},
                          .plan = {}};
  if (checkpoint::all_fit(*job.tree, *checkpoint::shard_limit(job))) return;
  try {
    (void)checkpoint::plan_cache().get(job);
  } catch (const ValueError& error) {
    throw ValueError(fmt::format("--max-shard-size is too small: {}", error.what()));
  }
}

}  // namespace

bool is_archive(const std::string& out) {
  return out.ends_with(".keras");
}

void save_model(const Model& model, const std::string& out, SaveOptions options) {
  core::TerminalProgress bar("save", 0, core::TerminalProgress::Style::kBytes);
  options.progress = reports_to(bar);
  if (is_archive(out) && !options.max_shard_size) {
    model.save(out, {options.overwrite, options.progress, options.seal});
  } else {
    model.save_weights(out, options);
  }
}

void load_weights(Model& model, const std::string& path, LoadOptions options) {
  core::TerminalProgress bar("load", 0, core::TerminalProgress::Style::kBytes);
  options.progress = reports_to(bar);
  model.load_weights(path, options);
}

void require_place_for_model(const std::string& out, bool sharded) {
  if (sharded) {
    // Of a single file's name the index's is made, with a warning, when it is saved.
    if (!out.ends_with("weights.h5")) (void)checkpoint::save_target(out, 1);
    return require_place_for(out);
  }
  const checkpoint::SaveTarget target =
      is_archive(out) ? checkpoint::archive_target(out) : checkpoint::save_target(out, {});
  require_place_for(checkpoint::resolved(target.file).string());
}

void require_savable(const Model& model, const std::string& out, const SaveOptions& options) {
  if (options.max_shard_size) {
    if (model.built()) require_shards(model, out, options);
  } else if (is_archive(out)) {
    (void)model.to_json();
  }
}

bool may_replace(const std::string& out, SaveOptions& options) {
  if (options.overwrite) return true;
  // How many shards there will be, the save knows; they are guarded as well.
  const checkpoint::SaveFiles files =
      checkpoint::files_of(target_of(out, options.max_shard_size.has_value()), 0);
  const auto file = checkpoint::in_the_way(out, files, storage::posix());
  if (!file) return true;
  const checkpoint::Terminal terminal = checkpoint::terminal();
  if (!terminal.interactive) {
    throw ValueError(
        fmt::format("'{}' already exists, and --no-overwrite was given", file->string()));
  }
  return options.overwrite = checkpoint::may_overwrite(*file, terminal);
}

}  // namespace lamina::cli

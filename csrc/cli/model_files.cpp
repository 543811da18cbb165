#include "cli/model_files.h"

#include <utility>

#include "checkpoint/names/paths.h"
#include "cli/output_place.h"
#include "core/terminal_progress.h"

namespace lamina::cli {
namespace {

auto reports_to(core::TerminalProgress& bar) {
  return [&bar](std::uint64_t done, std::uint64_t total) { bar.update(done, total); };
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
  // What names of shards may be is said when they are saved: one that is not theirs is changed,
  // with a warning.
  if (sharded) return require_place_for(out);
  const checkpoint::SaveTarget target =
      is_archive(out) ? checkpoint::archive_target(out) : checkpoint::save_target(out, {});
  require_place_for(checkpoint::resolved(target.file).string());
}

void require_savable(const Model& model, const std::string& out) {
  if (is_archive(out)) (void)model.to_json();
}

}  // namespace lamina::cli

#include "cli/save_model.h"

#include "checkpoint/names/paths.h"

namespace lamina::cli {
namespace {

bool is_archive(const std::string& out) {
  return out.ends_with(".keras");
}

}  // namespace

void save_model(const Model& model, const std::string& out, const SaveOptions& options) {
  if (is_archive(out) && !options.max_shard_size) {
    model.save(out, {options.overwrite, options.progress, options.seal});
  } else {
    model.save_weights(out, options);
  }
}

void require_savable(const Model& model, const std::string& out) {
  if (is_archive(out)) (void)model.to_json();
}

std::filesystem::path saved_file(const std::string& out) {
  const checkpoint::SaveTarget target =
      is_archive(out) ? checkpoint::archive_target(out) : checkpoint::save_target(out, {});
  return checkpoint::resolved(target.file);
}

}  // namespace lamina::cli

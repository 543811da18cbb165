#include "models/keras/archived_weights.h"

#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/log.h>
#include <lamina/optimizers.h>

#include "checkpoint/load/legacy.h"
#include "models/weights/access.h"
#include "models/weights/model_weights.h"
#include "models/weights/pending_saves.h"

namespace lamina {

void models::load_archived_weights(Model& model, const std::filesystem::path& archive,
                                   const LoadModelOptions& options) {
  load_model_weights(model, Access::saves(model).names, archive, {.progress = options.progress},
                     storage::posix(),
                     options.compile ? SpareOptimizers::kWarnedOf : SpareOptimizers::kPassedOver);
}

bool models::is_legacy(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.ends_with(".h5") || name.ends_with(".hdf5");
}

models::LegacyTexts models::legacy_texts(const std::shared_ptr<const storage::ReadableFile>& file) {
  checkpoint::LegacyDescription found = checkpoint::read_legacy_description(file);
  if (!found.model_config) {
    throw ValueError(
        fmt::format("No model config found in the file at {}. What holds weights alone "
                    "is for `load_weights`.",
                    file->path().string()));
  }
  const std::string version = found.keras_version.value_or("");  // the oldest do not say
  const bool older = version.empty() || version.starts_with("2.") || version.starts_with("1.");
  return {*std::move(found.model_config), std::move(found.training_config), older};
}

void models::load_legacy_optimizer(const Model& model, const std::filesystem::path& path) {
  try {
    (void)checkpoint::load_legacy_optimizer(model.optimizer()->variables(), path);
  } catch (const MismatchError& error) {
    warn(
        fmt::format("Error in loading the saved optimizer state. As a result, your model is "
                    "starting with a freshly initialized optimizer. {}",
                    error.what()));
  }
}

}  // namespace lamina

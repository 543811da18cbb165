// `.keras` archives, read; models/save_model.cpp writes them.
#include <lamina/error.h>
#include <lamina/model.h>

#include <nlohmann/json.hpp>

#include "models/keras/archived_weights.h"
#include "models/keras/compile_config.h"
#include "models/keras/json_text.h"
#include "models/keras/keras_config.h"
#include "storage/storage.h"
#include "storage/zip_member.h"

namespace lamina {
namespace {

using Archive = std::shared_ptr<const storage::ReadableFile>;

constexpr std::uint64_t kMostText = 64u << 20;
constexpr const char* kMetadata = "metadata.json";
constexpr const char* kConfig = "config.json";

/// For messages.
std::string named(const Archive& archive, const char* member) {
  return archive->path().string() + ", member '" + member + "'";
}

nlohmann::json configuration_in(const Archive& archive, bool compile) {
  (void)models::parse_untrusted(storage::read_member(archive, kMetadata, kMostText),
                                named(archive, kMetadata));
  nlohmann::json config = models::parse_untrusted(storage::read_member(archive, kConfig, kMostText),
                                                  named(archive, kConfig));
  return compile ? config : models::without_compile_configs(std::move(config));
}

/// The model that this archive holds, with the weights of the one that is there now.
ModelPtr load_from(const Archive& archive, const LoadModelOptions& options) {
  const std::string where = named(archive, kConfig);
  const nlohmann::json config = configuration_in(archive, options.compile);
  ModelPtr model = models::model_from_configuration(config, where);
  models::compile_from_config(*model, models::compile_config_in(config), where);
  if (!model->built()) return model;
  try {
    models::load_archived_weights(*model, archive->path(), options);
    // Not before: one that had not begun when it was saved is not in the file.
    models::build_optimizers(*model);
  } catch (const ValueError& error) {
    if (!models::has_compiled(*model)) throw;
    // Where it is the optimizers' variables that do not suit, the model is worth having without.
    model = load_from(archive, {.compile = false, .progress = options.progress});
    models::warn_not_compiled(where, error.what());
  }
  return model;
}

}  // namespace

ModelPtr models::fresh_from_archive(const std::filesystem::path& path, bool compile) {
  const Archive archive = storage::posix().open(path);
  const nlohmann::json config = configuration_in(archive, compile);
  return compiled_model(config, compile_config_in(config), named(archive, kConfig));
}

ModelPtr Model::load(const std::filesystem::path& path, const LoadModelOptions& options) {
  constexpr int kAttempts = 100;  // an archive that is replaced all the time
  for (int attempt = 1;; ++attempt) {
    const Archive archive = storage::posix().open(path);
    try {
      ModelPtr model = load_from(archive, options);
      if (attempt == kAttempts || !archive->is_replaced()) return model;
    } catch (const Error&) {
      if (attempt == kAttempts || !archive->is_replaced()) throw;
    }
  }
}

}  // namespace lamina

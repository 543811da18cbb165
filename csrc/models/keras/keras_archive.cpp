// `.keras` archives and legacy `.h5` files of whole models, read; models/save_model.cpp writes
// archives.
#include <lamina/error.h>
#include <lamina/log.h>
#include <lamina/model.h>

#include <nlohmann/json.hpp>

#include "models/keras/archived_weights.h"
#include "models/keras/compile_config.h"
#include "models/keras/json_text.h"
#include "models/keras/keras_config.h"
#include "models/keras/legacy_config.h"
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

/// What a file says of its model.
struct Described {
  nlohmann::json model, compile;
  std::string where;  ///< for messages
};

Described described_in_archive(const Archive& archive) {
  (void)models::parse_untrusted(storage::read_member(archive, kMetadata, kMostText),
                                named(archive, kMetadata));
  Described out{{}, {}, named(archive, kConfig)};
  out.model = models::parse_untrusted(storage::read_member(archive, kConfig, kMostText), out.where);
  out.compile = models::compile_config_in(out.model);
  return out;
}

Described described_in_legacy(const Archive& file, bool compile) {
  const models::LegacyTexts texts = models::legacy_texts(file);
  Described out{{}, {}, file->path().string()};
  out.model =
      models::from_legacy_config(models::parse_untrusted(texts.model_config, out.where), out.where);
  if (texts.older_than_keras_3 && models::asks_for_hard_sigmoid(out.model)) {
    warn(
        "The model was saved by Keras 2, whose `hard_sigmoid` is another function than Keras 3's, "
        "max(0, min(1, 0.2 * x + 0.5)): what the model computes here, and in Keras 3, differs. (" +
        out.where + ")");
  }
  if (texts.training_config) {
    out.compile = models::from_legacy_training_config(
        models::parse_untrusted(*texts.training_config, out.where));
  } else if (compile) {
    warn(
        "No training configuration found in the save file, so the model was *not* compiled. "
        "Compile it manually. (" +
        out.where + ")");
  }
  return out;
}

Described described_in(const Archive& file, bool compile) {
  Described out = models::is_legacy(file->path()) ? described_in_legacy(file, compile)
                                                  : described_in_archive(file);
  if (compile) return out;
  return {models::without_compile_configs(std::move(out.model)), nullptr, out.where};
}

/// The model that this file holds, with the weights of the one that is there now.
ModelPtr load_from(const Archive& file, const LoadModelOptions& options) {
  const Described described = described_in(file, options.compile);
  ModelPtr model = models::model_from_configuration(described.model, described.where);
  models::compile_from_config(*model, described.compile, described.where);
  if (!model->built()) return model;
  try {
    models::load_archived_weights(*model, file->path(), options);
    // Not before: one that had not begun when it was saved is not in the file.
    models::build_optimizers(*model);
  } catch (const ValueError& error) {
    if (!models::has_compiled(*model)) throw;
    // Where it is the optimizers' variables that do not suit, the model is worth having without.
    model = load_from(file, {.compile = false, .progress = options.progress});
    models::warn_not_compiled(described.where, error.what());
    return model;
  }
  if (models::is_legacy(file->path()) && models::has_compiled(*model)) {
    models::load_legacy_optimizer(*model, file->path());
  }
  return model;
}

}  // namespace

ModelPtr models::fresh_from_archive(const std::filesystem::path& path, bool compile) {
  const Described described = described_in(storage::posix().open(path), compile);
  return compiled_model(described.model, described.compile, described.where);
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

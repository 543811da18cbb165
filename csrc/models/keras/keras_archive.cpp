#include "models/keras/keras_archive.h"

#include <lamina/error.h>
#include <lamina/model.h>
#include <lamina/optimizers.h>

#include "models/keras/compile_config.h"
#include "models/keras/json_text.h"
#include "storage/storage.h"
#include "storage/zip_member.h"

namespace lamina {
namespace {

using Archive = std::shared_ptr<const storage::ReadableFile>;

std::string read_member(const Archive& archive, const std::string& name) {
  constexpr std::uint64_t kMaxBytes = 64u << 20;
  const storage::ZipMember member = storage::open_member(archive, name, kMaxBytes);
  std::string text(member.size, '\0');
  member.file->read_at(member.base, std::as_writable_bytes(std::span(text)));
  return text;
}

/// For messages.
std::string named(const Archive& archive, const char* member) {
  return archive->path().string() + ", member '" + member + "'";
}

/// As Keras, with its variables for all that it trains.
void build_optimizer(const Model& model) {
  if (model.optimizer() && model.built()) model.optimizer()->build(model.trainable_variables());
}

/// The model that this archive holds, with the weights of the one that is there now.
ModelPtr load_from(const Archive& archive, const LoadModelOptions& options) {
  (void)models::parse_untrusted(read_member(archive, "metadata.json"),
                                named(archive, "metadata.json"));
  const std::string where = named(archive, "config.json");
  const std::string text = read_member(archive, "config.json");
  ModelPtr model = Model::from_json_text(text, where);
  if (options.compile) {
    const nlohmann::json config = models::parse_untrusted(text, where);
    models::compile_from_config(*model, config.value("compile_config", nlohmann::json()), where);
  }
  if (!model->built()) return model;
  try {
    model->load_weights(archive->path());
    build_optimizer(*model);
  } catch (const ValueError& error) {
    if (!model->optimizer()) throw;
    // Where it is the optimizer's variables that do not suit, the model is worth having without.
    model = load_from(archive, {.compile = false});
    models::warn_not_compiled(where, error.what());
  }
  return model;
}

}  // namespace

std::string models::archived_optimizer(const std::filesystem::path& path) {
  static const nlohmann::json::json_pointer kClass("/compile_config/optimizer/class_name");
  const Archive archive = storage::posix().open(path);
  const nlohmann::json config =
      parse_untrusted(read_member(archive, "config.json"), named(archive, "config.json"));
  if (!config.contains(kClass) || !config.at(kClass).is_string()) return {};
  return config.at(kClass).get<std::string>();
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

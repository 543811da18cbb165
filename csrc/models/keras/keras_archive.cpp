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

std::string read_member(const std::filesystem::path& archive, const std::string& name) {
  constexpr std::uint64_t kMaxBytes = 64u << 20;
  const storage::ZipMember member =
      storage::open_member(storage::posix().open(archive), name, kMaxBytes);
  std::string text(member.size, '\0');
  member.file->read_at(member.base, std::as_writable_bytes(std::span(text)));
  return text;
}

std::string named(const std::filesystem::path& archive, const char* member) {
  return archive.string() + ", member '" + member + "'";
}

/// As Keras, with its variables for all that it trains.
void build_optimizer(const Model& model) {
  if (model.optimizer() && model.built()) model.optimizer()->build(model.trainable_variables());
}

}  // namespace

std::string models::archived_optimizer(const std::filesystem::path& archive) {
  static const nlohmann::json::json_pointer kClass("/compile_config/optimizer/class_name");
  const nlohmann::json config =
      parse_untrusted(read_member(archive, "config.json"), named(archive, "config.json"));
  if (!config.contains(kClass) || !config.at(kClass).is_string()) return {};
  return config.at(kClass).get<std::string>();
}

ModelPtr Model::load(const std::filesystem::path& path, const LoadModelOptions& options) {
  (void)models::parse_untrusted(read_member(path, "metadata.json"), named(path, "metadata.json"));
  const std::string where = named(path, "config.json");
  const std::string text = read_member(path, "config.json");
  ModelPtr model = from_json_text(text, where);
  if (options.compile) {
    const nlohmann::json config = models::parse_untrusted(text, where);
    models::compile_from_config(*model, config.value("compile_config", nlohmann::json()), where);
  }
  if (!model->built()) return model;
  try {
    model->load_weights(path);
    build_optimizer(*model);
  } catch (const Error& error) {
    if (!model->optimizer()) throw;
    // Where it is the optimizer's variables that do not suit, the model is worth having without.
    model = load(path, {.compile = false});
    models::warn_not_compiled(where, error.what());
  }
  return model;
}

}  // namespace lamina

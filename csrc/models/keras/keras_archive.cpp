#include "models/keras/keras_archive.h"

#include <lamina/error.h>
#include <lamina/model.h>

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

}  // namespace

std::string models::archived_optimizer(const std::filesystem::path& archive) {
  static const nlohmann::json::json_pointer kClass("/compile_config/optimizer/class_name");
  const nlohmann::json config = parse_untrusted(read_member(archive, "config.json"),
                                                archive.string() + ", member 'config.json'");
  if (!config.contains(kClass) || !config.at(kClass).is_string()) return {};
  return config.at(kClass).get<std::string>();
}

ModelPtr Model::load(const std::filesystem::path& path) {
  (void)models::parse_untrusted(read_member(path, "metadata.json"),
                                path.string() + ", member 'metadata.json'");
  const std::string config = read_member(path, "config.json");
  ModelPtr model = from_json_text(config, path.string() + ", member 'config.json'");
  if (model->built()) model->load_weights(path);
  return model;
}

}  // namespace lamina

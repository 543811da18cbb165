#include <lamina/model.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "models/weights/model_weights.h"

// `.keras` archives, written; models/keras/keras_archive.cpp reads them.
namespace lamina {
namespace {

using nlohmann::json;

constexpr const char* kKerasVersion = "3.15.1";  // whose archives these are like

std::string metadata() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  char date[32] = {};
  if (localtime_r(&now, &local) != nullptr) {
    (void)std::strftime(date, sizeof date, "%Y-%m-%d@%H:%M:%S", &local);
  }
  return json{{"keras_version", kKerasVersion}, {"date_saved", date}}.dump();
}

}  // namespace

void Model::save(const std::filesystem::path& path, const SaveModelOptions& options) const {
  models::save_and_wait(
      *this, path,
      {.overwrite = options.overwrite, .progress = options.progress, .seal = options.seal},
      {{"metadata.json", metadata()}, {"config.json", to_json()}});
}

}  // namespace lamina

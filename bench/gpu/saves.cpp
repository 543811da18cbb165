#include <lamina/lamina.h>

#include "bench/checkpoint/floors.h"
#include "bench/checkpoint/numbers.h"
#include "bench/gpu/measure.h"

namespace lamina::bench {
namespace {

using nlohmann::json;
using std::filesystem::path;

std::uint64_t bytes_of(const Model& model) {
  std::uint64_t bytes = 0;
  for (const VariablePtr& variable : model.variables()) bytes += variable->nbytes();
  return bytes;
}

ModelPtr large_model(const Settings& settings) {
  std::vector<LayerRef> stack{layers::InputLayer({.shape = Shape{settings.dense_units}})};
  for (std::int64_t i = 0; i < settings.dense_layers; ++i) {
    stack.emplace_back(layers::Dense(
        {.units = settings.dense_units, .use_bias = false, .kernel_initializer = "ones"}));
  }
  return Sequential::create(std::move(stack));
}

/// A folder of its own, removed with all that is in it.
class Folder {
 public:
  explicit Folder(const path& in) : path_(in / "lamina-bench-gpu") {
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] path file() const { return path_ / "model.weights.h5"; }
  [[nodiscard]] const path& where() const { return path_; }

 private:
  path path_;
};

json save_and_load(const Settings& settings, Model& model, const path& in) {
  const Folder folder(in);
  std::vector<double> writes, saves, loads;
  model.save_weights(folder.file());
  for (int round = 0; round < settings.rounds; ++round) {
    writes.push_back(raw_write(folder.where(), {bytes_of(model)}));
    saves.push_back(seconds([&] { model.save_weights(folder.file()); }));
    loads.push_back(seconds([&] { model.load_weights(folder.file()); }));
  }
  return {{"engine", "lamina"},
          {"bytes", bytes_of(model)},
          {"write_s", median(writes)},
          {"save_s", median(saves)},
          {"load_s", median(loads)}};
}

double peak_of(const json& copies) {
  for (const json& row : copies) {
    if (row["what"] == "device to page-locked memory, peak") {
      return row["gb_per_s"].get<double>() * 1e9;
    }
  }
  throw std::runtime_error("the peak of copies was not measured");
}

}  // namespace

json measure_saves(const Settings& settings, const json& copies) {
  const double peak = peak_of(copies);
  json rows = json::array();
  const std::pair<std::string, ModelPtr (*)(const Settings&)> models[] = {
      {settings.model,
       [](const Settings& s) -> ModelPtr { return applications::by_name(s.model); }},
      {"large", large_model}};
  for (const auto& [name, make] : models) {
    const ModelPtr model = make(settings);
    model->to(settings.device);
    for (const auto& [where, in] :
         {std::pair{"disk", settings.disk}, {"memory", settings.memory}}) {
      json row = save_and_load(settings, *model, in);
      row["model"] = name;
      row["where"] = where;
      row["copy_s"] = row["bytes"].get<double>() / peak;
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

json measure_stall(const Settings& settings) {
  const Folder folder(settings.disk);
  const ModelPtr model = applications::by_name(settings.model);
  model->to(settings.device);
  Shape images = model->inputs().at(0).shape();
  images[0] = 8;
  const Tensor x = Tensor::zeros(images);
  const auto step = [&] { (void)model->predict(x); };
  for (int warm = 0; warm < 3; ++warm) step();
  const double once = seconds(step);
  // As many as the time allows, each tenth with a save.
  const int steps = std::clamp(static_cast<int>(settings.seconds / once), 10, 1000) / 10 * 10;
  const double alone = seconds([&] {
                         for (int i = 0; i < steps; ++i) step();
                       }) /
                       steps;
  std::vector<double> returns;
  SaveHandle saving;
  const double saved =
      seconds([&] {
        for (int i = 0; i < steps; ++i) {
          if (i % 10 == 0) {
            saving.wait();
            returns.push_back(seconds([&] { saving = model->save_weights_async(folder.file()); }));
          }
          step();
        }
      }) /
      steps;
  saving.wait();
  return {{{"steps", steps},
           {"step_ms", alone * 1e3},
           {"step_while_saving_ms", saved * 1e3},
           {"returns_ms", median(returns) * 1e3}}};
}

}  // namespace lamina::bench

#include <lamina/lamina.h>

#include <numeric>

#include "bench/checkpoint/floors.h"
#include "bench/checkpoint/numbers.h"
#include "bench/convnet.h"
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
  const WriteMemory floor(std::vector<std::uint64_t>{bytes_of(model)});
  model.save_weights(folder.file());
  for (int round = 0; round < settings.rounds; ++round) {
    writes.push_back(floor.write(folder.where()));
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

namespace {

/// Steps alone, and steps for as long as a save in the background takes, in turn.
json stall(const std::string& what, const Settings& settings, Model& model,
           const std::function<void()>& step) {
  const Folder folder(settings.disk);
  for (int warm = 0; warm < 3; ++warm) step();
  model.save_weights(folder.file());
  std::vector<double> alone, saving, returns, saves;
  double spent = 0;
  while (saves.size() < 3 || (spent < 2 * settings.seconds && saves.size() < 30)) {
    SaveHandle handle;
    returns.push_back(seconds([&] { handle = model.save_weights_async(folder.file()); }));
    std::size_t steps = 0;
    const double took = seconds([&] {
      for (; steps == 0 || !handle.done(); ++steps) saving.push_back(seconds(step));
      handle.wait();
    });
    saves.push_back(took);
    for (; steps > 0; --steps) alone.push_back(seconds(step));
    spent += 2 * took;
  }
  const auto mean = [](const std::vector<double>& times) {
    return std::accumulate(times.begin(), times.end(), 0.0) / static_cast<double>(times.size());
  };
  return {{"what", what},
          {"bytes", bytes_of(model)},
          {"steps", saving.size()},
          {"step_ms", mean(alone) * 1e3},
          {"step_while_saving_ms", mean(saving) * 1e3},
          {"median_step_ms", median(alone) * 1e3},
          {"median_step_while_saving_ms", median(saving) * 1e3},
          {"returns_ms", median(returns) * 1e3},
          {"save_s", median(saves)}};
}

}  // namespace

json measure_stall(const Settings& settings) {
  json rows = json::array();
  {
    const ModelPtr model = applications::by_name(settings.model);
    model->to(settings.device);
    Shape images = model->inputs().at(0).shape();
    images[0] = 8;
    const Tensor x = random_tensor(images);
    rows.push_back(stall("predict, " + settings.model + ", batch 8", settings, *model,
                         [&] { (void)model->predict(x); }));
  }
  const ModelPtr model = trained_model("EfficientNetV2B0", settings.train_size);
  model->to(settings.device);
  model->compile(
      {.optimizer = "adam", .loss = losses::SparseCategoricalCrossentropy({.from_logits = true})});
  const Tensor x =
      random_tensor({settings.train_batch, settings.train_size, settings.train_size, 3});
  const Tensor y = Tensor::zeros({settings.train_batch}, DType::kInt64);
  rows.push_back(stall("train, EfficientNetV2B0, batch " + std::to_string(settings.train_batch),
                       settings, *model, [&] { (void)model->train_on_batch(x, y); }));
  return rows;
}

}  // namespace lamina::bench

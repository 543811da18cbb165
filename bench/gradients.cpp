// How long does a training step's forward and backward take? Times them by themselves, without an
// optimizer; `--profile` shows where the time goes. gradients_keras.py does the same in Keras.
#include <fmt/format.h>
#include <lamina/lamina.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>

#include "bench/convnet.h"
#include "training/graph/train_graph.h"

namespace {

using namespace lamina;

double milliseconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

struct Options {
  std::string name = "EfficientNetV2B0", device = "cpu", policy = "float32";
  std::int64_t batch = 8, size = 224, runs = 10;
  std::size_t rows = 0;
};

/// A recurrent layer on `size` steps of 32 features, or a model of images.
ModelPtr model_of(const std::string& name, std::int64_t size) {
  if (name != "lstm" && name != "gru") return bench::trained_model(name, size);
  const auto x = layers::Input({.shape = {size, 32}});
  return Functional::create(
      x, name == "lstm" ? layers::LSTM({.units = 64})(x) : layers::GRU({.units = 64})(x));
}

void measure(const Options& options) {
  set_dtype_policy(options.policy);
  const Device device = Device::from_name(options.device);
  const ModelPtr model = model_of(options.name, options.size);
  model->to(device);
  const Tensor batch = bench::random_batch(*model, options.batch);
  training::TrainGraph graph(*model, {batch.shape()}, device,
                             {.inputs = {}, .profile = options.rows > 0});
  const Tensor seed = bench::random_tensor({options.batch, model->outputs()[0].shape()[1]})
                          .cast(model->outputs()[0].dtype());
  std::vector<double> forward, step;
  for (std::int64_t run = 0; run <= options.runs; ++run) {
    // As after an optimizer's update: every parameter has to be packed again.
    for (const VariablePtr& variable : graph.variables()) variable->assign(variable->value());
    const auto begin = std::chrono::steady_clock::now();
    (void)graph.forward({batch}, {1, static_cast<std::uint64_t>(run)});
    const auto middle = std::chrono::steady_clock::now();
    // A device is done when its last gradient has come.
    (void)graph.backward({seed}).back().to(Device::cpu());
    const auto end = std::chrono::steady_clock::now();
    if (run == 0) continue;  // the first touches its memory
    forward.push_back(milliseconds(middle - begin));
    step.push_back(milliseconds(end - begin));
  }
  std::sort(forward.begin(), forward.end());
  std::sort(step.begin(), step.end());
  std::cout
      << fmt::format(
             R"({{"engine": "lamina", "model": "{}", "batch": {}, "size": {}, "forward_ms": {:.1f}, )"
             R"("step_ms": {:.1f}, "best_step_ms": {:.1f}, "arena_mb": {:.0f}}})",
             options.name, options.batch, options.size, forward[forward.size() / 2],
             step[step.size() / 2], step.front(),
             static_cast<double>(graph.plan().arena_bytes()) / 1e6)
      << "\n";
  if (options.rows > 0) std::cout << graph::profile_table(graph.plan().profile(), options.rows);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Times forward and backward of a model in training mode.");
  app.add_option(
         "model", options.name,
         "convnet, transformer, mlp, text_convnet, depthwise, lstm, gru, or an application's name")
      ->capture_default_str();
  app.add_option("--batch", options.batch)->capture_default_str();
  app.add_option("--size", options.size, "Of images or rows, or steps of sequences")
      ->capture_default_str();
  app.add_option("--runs", options.runs)->capture_default_str();
  app.add_option("--profile", options.rows, "Print this many of the slowest operations");
  app.add_option("--device", options.device, "cpu or cuda:0")->capture_default_str();
  app.add_option("--policy", options.policy, "dtype policy")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  try {
    measure(options);
  } catch (const std::exception& error) {
    std::cerr << "bench_gradients: " << error.what() << "\n";
    return 1;
  }
}

// How fast are inference, copies and checkpoints on a GPU, and how fast is PyTorch there?
//
//   bench_gpu --json FILE [--python PYTHON] [--directory DIR]
//             [--what inference,operations,copies,saves,stall] [--autotune]
//   bench_gpu --report FILE        Markdown of what --json left
//
// PYTHON has torch, torchvision and safetensors; without one Lamina is measured alone. Nothing is
// fetched. --small, with --device cpu if need be, goes through all of it in a minute and measures
// nothing of interest. See README.md.
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <lamina/devices.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>

#include "bench/child_process.h"
#include "bench/gpu/measure.h"
#include "bench/gpu/report.h"

namespace {

using nlohmann::json;
using namespace lamina;

struct Options {
  bench::Settings settings;
  std::vector<std::string> what{"inference", "copies", "saves", "stall"};
  std::string device = "cuda:0", python, peers, json_file, report;
  std::string peer_engines = "torch eager,torch compile";
  bool small = false, autotune = false;
  [[nodiscard]] bool wants(const char* name) const {
    return std::find(what.begin(), what.end(), name) != what.end();
  }
};

/// To see that all works, and nothing else.
void make_small(bench::Settings& settings) {
  settings.model = "EfficientNetV2B0";
  settings.batches = {1};
  settings.seconds = 0.02;
  settings.product = 256;
  settings.copy_bytes = std::size_t{8} << 20;
  settings.dense_units = 512;
  settings.dense_layers = 8;
  settings.train_batch = 2;
  settings.train_size = 32;
  settings.rounds = 1;
}

/// What --device names, and its name for the results; nothing where there is no such GPU.
std::optional<std::string> find_device(Options& options) {
  if (options.device == "cpu") {
    options.settings.device = Device::cpu();
    return "the host in a GPU's place: these figures are of no interest";
  }
  const std::size_t colon = options.device.find(':');
  const int index = colon == std::string::npos ? 0 : std::stoi(options.device.substr(colon + 1));
  const CudaDevices found = cuda_devices();
  for (const CudaDevice& device : found.usable) {
    if (device.device.index != index) continue;
    options.settings.device = device.device;
    return device.name;
  }
  fmt::print("no GPU here: {}\n",
             found.problem.empty() ? "no device " + options.device : found.problem);
  return std::nullopt;
}

json ask_peers(const Options& options, const char* what, std::vector<std::string> more) {
  if (options.python.empty()) return json::array();
  // Without the libraries of a bundle, which are not Python's.
  std::vector<std::string> command{"env",         "-u", "LD_LIBRARY_PATH", options.python,
                                   options.peers, what, "--device",        options.device};
  command.insert(command.end(), more.begin(), more.end());
  try {
    return json::parse(bench::run_child(command));
  } catch (const std::exception& error) {
    std::cerr << "bench_gpu: PyTorch was not measured: " << error.what() << "\n";
    return json::array();
  }
}

void append(json& rows, const json& more) {
  for (const json& row : more) rows.push_back(row);
}

json with_peers(const Options& options, const char* what, json rows) {
  const bench::Settings& settings = options.settings;
  const std::vector<std::pair<const char*, std::string>> arguments{
      {"--engines", options.peer_engines},
      {"--precisions", fmt::format("{}", fmt::join(settings.precisions, ","))},
      {"--batches", fmt::format("{}", fmt::join(settings.batches, ","))},
      {"--seconds", fmt::format("{}", settings.seconds)},
      {"--budget", fmt::format("{}", settings.budget)},
      {"--disk", settings.disk.string()},
      {"--memory", settings.memory.string()},
      {"--units", std::to_string(settings.dense_units)},
      {"--layers", std::to_string(settings.dense_layers)},
      {"--rounds", std::to_string(settings.rounds)}};
  std::vector<std::string> words;
  for (const auto& [name, value] : arguments) words.insert(words.end(), {name, value});
  if (options.autotune) words.emplace_back("--benchmark");
  append(rows, ask_peers(options, what, words));
  return rows;
}

/// Inference last: it takes the time that there is.
int measure(Options& options) {
  const std::optional<std::string> name = find_device(options);
  if (!name) return 0;
  json results{{"device", *name},
               {"date", fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr)))},
               {"autotuned", options.autotune}};
  set_autotuning({.enabled = options.autotune});
  const auto keep = [&](const char* what, json rows) {
    results[what] = std::move(rows);
    if (!options.json_file.empty()) std::ofstream(options.json_file) << results.dump(1) << "\n";
  };
  const bench::Settings& settings = options.settings;
  if (options.wants("copies") || options.wants("saves")) {
    keep("copies", bench::measure_copies(settings));
  }
  if (options.wants("stall")) keep("stall", bench::measure_stall(settings));
  if (options.wants("saves")) {
    keep("saves", with_peers(options, "saves", bench::measure_saves(settings, results["copies"])));
  }
  if (options.wants("operations")) {
    const auto so_far = [&](const json& rows) { keep("operations", rows); };
    keep("operations", bench::measure_operations(settings, so_far));
  }
  if (options.wants("inference")) {
    const auto so_far = [&](const json& rows) { keep("inference", rows); };
    keep("inference", with_peers(options, "inference", bench::measure_inference(settings, so_far)));
  }
  std::cout << bench::gpu_report(results);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.peers = std::filesystem::path(argv[0]).parent_path() / "gpu_peers.py";
  CLI::App app{"Measures a GPU beside PyTorch."};
  app.add_option("--what", options.what,
                 "inference, operations, copies, saves, stall; all but operations if not given")
      ->delimiter(',');
  app.add_option("--device", options.device, "cuda:0, or cpu to try the bench");
  app.add_flag("--autotune", options.autotune,
               "measure the libraries' engines first, PyTorch's too");
  app.add_flag("--small", options.small, "all of it, small");
  app.add_option("--seconds", options.settings.seconds, "of each timed loop");
  app.add_option("--budget", options.settings.budget, "seconds for inference, roughly");
  app.add_option("--precisions", options.settings.precisions, "float32, TF32, bfloat16")
      ->delimiter(',');
  app.add_option("--peer-engines", options.peer_engines, "of PyTorch's inference");
  app.add_option("--batches", options.settings.batches, "of inference; operations: the last")
      ->delimiter(',');
  app.add_option("--rounds", options.settings.rounds, "of each save and load; the median counts");
  app.add_option("--layers", options.settings.dense_layers, "of 256 MiB each, of the large model");
  app.add_option("--directory", options.settings.disk, "on the disk to save to");
  app.add_option("--memory", options.settings.memory, "on a file system in memory");
  app.add_option("--python", options.python, "has torch, torchvision and safetensors");
  app.add_option("--peers", options.peers, "peers.py; beside this program if not given");
  app.add_option("--json", options.json_file, "file for the results");
  app.add_option("--report", options.report, "prints the report of such a file instead");
  CLI11_PARSE(app, argc, argv);
  try {
    if (!options.report.empty()) {
      std::ifstream in(options.report);
      std::cout << bench::gpu_report(json::parse(in));
      return 0;
    }
    if (options.small) make_small(options.settings);
    return measure(options);
  } catch (const std::exception& error) {
    std::cerr << "bench_gpu: " << error.what() << "\n";
    return 1;
  }
}

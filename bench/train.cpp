// How long does a training step take, in how much memory, beside Keras on JAX and PyTorch, on the
// CPU or on a GPU, and what does a checkpoint in the background cost the loop? Each measurement in
// a process of its own, in turn.
#include <fmt/format.h>
#include <lamina/devices.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "bench/child_process.h"
#include "bench/convnet.h"

namespace fs = std::filesystem;
using namespace lamina;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

namespace {

struct Case {
  std::string model = "convnet";
  std::int64_t batch = 64, size = 32;
};

struct Options {
  std::vector<std::string> cases{"convnet:64:32", "EfficientNetV2B0:8:224",
                                 "EfficientNetV2S:4:224"};
  std::vector<std::string> engines{"lamina", "keras-jax", "torch"};
  std::string python = "python3", torch_python, json, machine = "unnamed", child;
  std::string device = "cpu", policy = "float32";
  fs::path peers;
  fs::path directory = fs::temp_directory_path() / "lamina-bench-train";
  std::int64_t steps = 20, every = 0;
  std::size_t rounds = 3;
  double seconds = 20;
  int threads = 2;
  bool steps_only = false;
};

Case parse(const std::string& text) {
  const auto first = text.find(':'), second = text.find(':', first + 1);
  return {text.substr(0, first), std::stoll(text.substr(first + 1, second - first - 1)),
          std::stoll(text.substr(second + 1))};
}

double milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

/// Steps of Adam on one batch; `every` of them saves in the background, 0 never.
Json train(const Options& options, const Case& test) {
  set_dtype_policy(options.policy);
  const ModelPtr model = bench::trained_model(test.model, test.size);
  model->to(Device::from_name(options.device));
  model->compile(
      {.optimizer = "adam", .loss = losses::SparseCategoricalCrossentropy({.from_logits = true})});
  const Tensor x = bench::random_tensor({test.batch, test.size, test.size, 3});
  Tensor y = Tensor::empty({test.batch}, DType::kInt64);
  for (std::int64_t i = 0; i < test.batch; ++i)
    y.data<std::int64_t>()[static_cast<std::size_t>(i)] = i % 10;
  std::optional<CheckpointManager> checkpoints;
  if (options.every > 0) {
    fs::remove_all(options.directory / "steps");
    checkpoints.emplace(
        CheckpointManagerOptions{.directory = options.directory / "steps", .max_to_keep = 2});
  }
  SaveHandle saving;
  double loss = 0;
  std::vector<double> times;
  Clock::time_point begin;
  // The first two make the plan and touch memory, as the first save does what is done once.
  for (std::int64_t step = -1; step <= options.steps; ++step) {
    const auto start = Clock::now();
    loss = model->train_on_batch(x, y).at("loss");
    if (checkpoints && step >= 0 && step % options.every == 0) {
      saving.wait();
      saving = checkpoints->save_async(step, *model);
    }
    if (step > 0) times.push_back(milliseconds(Clock::now() - start));
    if (step == 0) {
      saving.wait();
      begin = Clock::now();
    }
    if (step >= 3 && std::chrono::duration<double>(Clock::now() - begin).count() > options.seconds)
      break;
  }
  saving.wait();
  const double total = milliseconds(Clock::now() - begin);
  const auto steps = times.size();
  std::sort(times.begin(), times.end());
  return {{"engine", "lamina"},
          {"steps", steps},
          {"median_ms", times[steps / 2]},
          {"min_ms", times.front()},
          {"mean_ms", total / static_cast<double>(steps)},
          {"loss", loss},
          {"peak_rss_bytes", bench::status_bytes("VmHWM:")}};
}

std::vector<std::string> command(const Options& options, const std::string& engine,
                                 const std::string& test, std::int64_t steps, std::int64_t every) {
  std::vector<std::string> words{"env", fmt::format("OMP_NUM_THREADS={}", options.threads),
                                 "taskset", "-c", fmt::format("0-{}", options.threads - 1)};
  const auto add = [&](const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
  };
  if (engine == "lamina") {
    add({fs::canonical("/proc/self/exe"), "--child", test, "--every", std::to_string(every)});
    add({"--directory", options.directory});
  } else {
    const bool torch = engine.starts_with("torch") && !options.torch_python.empty();
    const Case parts = parse(test);
    add({torch ? options.torch_python : options.python, options.peers, engine, parts.model});
    add({std::to_string(parts.batch), std::to_string(parts.size)});
    add({"--threads", std::to_string(options.threads)});
  }
  add({"--device", options.device, "--policy", options.policy});
  add({"--steps", std::to_string(steps), "--seconds", fmt::format("{}", options.seconds)});
  return words;
}

Json run(const std::vector<std::string>& words) {
  const std::string text = bench::run_child(words);
  return Json::parse(text.substr(text.rfind('{')));
}

/// The round with the best median: a shared machine only ever adds.
Json best(const Json& one, const Json& other) {
  return !one.is_null() && one["median_ms"] <= other["median_ms"] ? one : other;
}

void beside_peers(const Options& options, const std::string& test, Json& results) {
  std::map<std::string, Json> rows;
  for (std::size_t round = 0; round < options.rounds; ++round) {
    for (const std::string& engine : options.engines) {
      rows[engine] = best(rows[engine], run(command(options, engine, test, options.steps, 0)));
    }
  }
  for (const std::string& engine : options.engines) {
    Json row = rows[engine];
    row["case"] = test;
    row["times_lamina"] =
        row["median_ms"].get<double>() / rows["lamina"]["median_ms"].get<double>();
    fmt::print("{:<24} {:<10} {:>9.1f} ms {:>6.2f}x {:>8.0f} MiB\n", test, engine,
               row["median_ms"].get<double>(), row["times_lamina"].get<double>(),
               row["peak_rss_bytes"].get<double>() / (1 << 20));
    std::cout.flush();
    results.push_back(row);
  }
}

/// Whole loops, with and without checkpoints, in turn; the best of each. Long enough to save
/// several times.
void with_checkpoints(const Options& options, const std::string& test, Json& results) {
  std::map<std::int64_t, Json> rows;
  const std::vector<std::int64_t> everies{0, 1, 10, 100};
  const std::int64_t steps = std::max<std::int64_t>(options.steps, 3 * everies.back());
  for (std::size_t round = 0; round < options.rounds; ++round) {
    for (const std::int64_t every : everies) {
      const Json row = run(command(options, "lamina", test, steps, every));
      Json& kept = rows[every];
      if (kept.is_null() || row["mean_ms"] < kept["mean_ms"]) kept = row;
    }
  }
  const auto free = rows[0]["mean_ms"].get<double>();
  for (const std::int64_t every : everies) {
    Json row = rows[every];
    row["case"] = test;
    row["checkpoint_every"] = every;
    row["cost"] = row["mean_ms"].get<double>() / free - 1;
    fmt::print("{:<24} checkpoint every {:>3} steps: {:>8.2f} ms a step, {:>+6.1f} %\n", test,
               every, row["mean_ms"].get<double>(), 100 * row["cost"].get<double>());
    std::cout.flush();
    results.push_back(row);
  }
}

void compare(const Options& options) {
  fs::create_directories(options.directory);
  Json report{{"machine", options.machine}, {"device", options.device},
              {"policy", options.policy},   {"threads", options.threads},
              {"steps", Json::array()},     {"checkpoints", Json::array()}};
  for (const std::string& test : options.cases) {
    beside_peers(options, test, report["steps"]);
    if (!options.steps_only) with_checkpoints(options, test, report["checkpoints"]);
  }
  if (!options.json.empty()) std::ofstream(options.json) << report.dump(2) << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.peers = fs::canonical("/proc/self/exe").parent_path() / "train_peers.py";
  CLI::App app("Times training beside Keras on JAX and PyTorch, and checkpoints within it");
  app.add_option("--cases", options.cases, "MODEL:BATCH:SIZE; MODEL is convnet or an application")
      ->delimiter(',');
  app.add_option("--engines", options.engines, "lamina, keras-jax, torch, torch-compile")
      ->delimiter(',');
  app.add_option("--python", options.python, "A Python with keras and jax");
  app.add_option("--torch-python", options.torch_python, "A Python with torch and torchvision");
  app.add_option("--device", options.device, "cpu, or cuda:0 and so on; Keras computes on the CPU");
  app.add_option("--policy", options.policy, "float32, mixed_bfloat16 or mixed_float16");
  app.add_option("--threads", options.threads);
  app.add_option("--steps", options.steps, "Timed steps of a process");
  app.add_option("--seconds", options.seconds, "Stop a process's steps after these");
  app.add_option("--rounds", options.rounds, "Processes of each kind, in turn; the best counts");
  app.add_flag("--steps-only", options.steps_only, "No loops with checkpoints in them");
  app.add_option("--json", options.json, "Write the results here");
  app.add_option("--machine", options.machine, "What to call this machine in the results");
  app.add_option("--directory", options.directory, "Where checkpoints go");
  app.add_option("--child", options.child)->group("");
  app.add_option("--every", options.every)->group("");
  CLI11_PARSE(app, argc, argv);
  try {
    if (options.device != "cpu" && cuda_devices().usable.empty()) {
      fmt::print("no GPU here: {}\n", cuda_devices().problem);
    } else if (!options.child.empty()) {
      std::cout << train(options, parse(options.child)).dump() << "\n";
    } else {
      compare(options);
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}

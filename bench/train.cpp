// How long does a training step take (or inference), in how much memory, beside Keras on JAX and
// PyTorch, on the CPU or on a GPU, and what does a checkpoint in the background cost the loop? Each
// measurement in a process of its own, in turn.
#include <fmt/format.h>
#include <lamina/devices.h>

#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/bare_saves.h"
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
  bool steps_only = false, predict = false;
};

Case parse(const std::string& text) {
  const auto first = text.find(':'), second = text.find(':', first + 1);
  return {text.substr(0, first), std::stoll(text.substr(first + 1, second - first - 1)),
          std::stoll(text.substr(second + 1))};
}

double milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

/// A model that takes steps of Adam on one batch.
class Training {
 public:
  Training(const Options& options, const Case& test)
      : model_(model_of(options, test)),
        x_(bench::random_batch(*model_, test.batch)),
        y_(Tensor::empty({test.batch}, DType::kInt64)) {
    for (std::int64_t i = 0; i < test.batch; ++i)
      y_.data<std::int64_t>()[static_cast<std::size_t>(i)] = i % 10;
    // The first two make the plan and touch memory.
    for (int i = 0; i < 2; ++i) options.predict ? predict() : step();
  }

  void step() { loss_ = model_->train_on_batch(x_, y_).at("loss"); }
  void predict() { (void)model_->predict(x_, {.batch_size = x_.shape()[0]}); }
  [[nodiscard]] const Model& model() const { return *model_; }
  [[nodiscard]] double loss() const { return loss_; }

 private:
  static ModelPtr model_of(const Options& options, const Case& test) {
    set_dtype_policy(options.policy);
    ModelPtr model = bench::trained_model(test.model, test.size);
    model->to(Device::from_name(options.device));
    model->compile({.optimizer = "adam",
                    .loss = losses::SparseCategoricalCrossentropy({.from_logits = true})});
    return model;
  }

  ModelPtr model_;
  Tensor x_, y_;
  double loss_ = 0;
};

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Of all threads: what other work leaves alone.
double processor_milliseconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return 1e3 * static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_nsec);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Json train(const Options& options, const Case& test) {
  Training training(options, test);
  std::vector<double> times, processor;
  const auto begin = Clock::now();
  while (static_cast<std::int64_t>(times.size()) < options.steps) {
    const auto start = Clock::now();
    const double used = processor_milliseconds();
    options.predict ? training.predict() : training.step();
    times.push_back(milliseconds(Clock::now() - start));
    processor.push_back(processor_milliseconds() - used);
    if (times.size() >= 3 && seconds_since(begin) > options.seconds) break;
  }
  return {{"engine", "lamina"},
          {"steps", times.size()},
          {"median_ms", median(times)},
          {"min_ms", *std::min_element(times.begin(), times.end())},
          {"min_processor_ms", *std::min_element(processor.begin(), processor.end())},
          {"loss", training.loss()},
          {"peak_rss_bytes", bench::status_bytes("VmHWM:")}};
}

std::uint64_t bytes_below(const fs::path& directory) {
  std::uint64_t sum = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) sum += entry.file_size();
  }
  return sum;
}

/// What turns of steps cost beside those without saves.
struct Costs {
  explicit Costs(std::vector<double> each) : sorted(std::move(each)) {
    std::sort(sorted.begin(), sorted.end());
  }
  [[nodiscard]] double quartile(std::size_t n) const { return sorted[sorted.size() * n / 4]; }
  std::vector<double> sorted;
};

/// What a checkpoint in the background at every so many steps costs: the same model takes turns of
/// steps without them, with them, and with the barest of saves of as many bytes, for a machine's
/// speed changes more from minute to minute.
Json train_with_checkpoints(const Options& options, const Case& test) {
  Training training(options, test);
  fs::remove_all(options.directory / "steps");
  fs::remove_all(options.directory / "bare");
  CheckpointManager checkpoints({.directory = options.directory / "steps", .max_to_keep = 2});
  checkpoints.save(0, training.model());  // does what is done once
  bench::BareSaves bare(options.directory / "bare", bytes_below(options.directory / "steps"));
  const std::int64_t turn = std::max<std::int64_t>(options.every, 20);
  std::int64_t saved = 0;
  SaveHandle saving;
  const std::function<void()> kinds[] = {[] {},
                                         [&] {
                                           saving.wait();
                                           saving =
                                               checkpoints.save_async(++saved, training.model());
                                         },
                                         [&] { bare.save_async(); }};
  const auto take_turn = [&](const std::function<void()>& save) {
    const auto start = Clock::now();
    for (std::int64_t step = 1; step <= turn; ++step) {
      training.step();
      if ((step + options.every / 2) % options.every == 0) save();
    }
    saving.wait();
    bare.wait();
    return milliseconds(Clock::now() - start) / static_cast<double>(turn);
  };
  std::array<std::vector<double>, std::size(kinds)> times;
  std::vector<double> costs, bare_costs;
  const auto begin = Clock::now();
  // Which kind comes first takes turns.
  for (std::size_t first = 0; costs.size() < 3 || seconds_since(begin) < options.seconds; ++first) {
    for (std::size_t i = 0; i < std::size(kinds); ++i) {
      const std::size_t kind = (first + i) % std::size(kinds);
      times[kind].push_back(take_turn(kinds[kind]));
    }
    costs.push_back(times[1].back() / times[0].back() - 1);
    bare_costs.push_back(times[2].back() / times[0].back() - 1);
  }
  const Costs cost(costs), floor(bare_costs);
  return {{"checkpoint_every", options.every},
          {"turns", costs.size()},
          {"median_ms_without", median(times[0])},
          {"median_ms_with", median(times[1])},
          {"cost", cost.quartile(2)},
          {"cost_first_quartile", cost.quartile(1)},
          {"cost_third_quartile", cost.quartile(3)},
          {"cost_of_bare_saves", floor.quartile(2)},
          {"cost_of_bare_saves_first_quartile", floor.quartile(1)},
          {"cost_of_bare_saves_third_quartile", floor.quartile(3)}};
}

std::vector<std::string> command(const Options& options, const std::string& engine,
                                 const std::string& test, std::int64_t every) {
  std::vector<std::string> words{"env"};
  const auto add = [&](const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
  };
  // Python goes without the libraries of a bundle, which are not its own.
  if (engine != "lamina") add({"-u", "LD_LIBRARY_PATH"});
  add({fmt::format("OMP_NUM_THREADS={}", options.threads), "taskset", "-c",
       bench::processors(options.threads)});
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
  if (options.predict) add({"--predict"});
  add({"--steps", std::to_string(options.steps), "--seconds", fmt::format("{}", options.seconds)});
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
      rows[engine] = best(rows[engine], run(command(options, engine, test, 0)));
    }
  }
  for (const std::string& engine : options.engines) {
    Json row = rows[engine];
    row["case"] = test;
    row["times_lamina"] =
        row["median_ms"].get<double>() / rows["lamina"]["median_ms"].get<double>();
    fmt::print("{:<24} {:<10} {:>9.2f} ms {:>6.2f}x {:>9.2f} ms of processors {:>8.0f} MiB\n", test,
               engine, row["median_ms"].get<double>(), row["times_lamina"].get<double>(),
               row["min_processor_ms"].get<double>(),
               row["peak_rss_bytes"].get<double>() / (1 << 20));
    std::cout.flush();
    results.push_back(row);
  }
}

void with_checkpoints(const Options& options, const std::string& test, Json& results) {
  for (const std::int64_t every : {1, 10, 100}) {
    Json row = run(command(options, "lamina", test, every));
    row["case"] = test;
    const auto percent = [&](const char* what) {
      return fmt::format("{:>+6.1f} % ({:+.1f} to {:+.1f})", 100 * row[what].get<double>(),
                         100 * row[std::string(what) + "_first_quartile"].get<double>(),
                         100 * row[std::string(what) + "_third_quartile"].get<double>());
    };
    fmt::print("{:<24} checkpoint every {:>3} steps: {}, bare saves {}, {} turns\n", test, every,
               percent("cost"), percent("cost_of_bare_saves"), row["turns"].get<std::size_t>());
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
    if (!options.steps_only && !options.predict)
      with_checkpoints(options, test, report["checkpoints"]);
  }
  if (!options.json.empty()) std::ofstream(options.json) << report.dump(2) << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.peers = fs::canonical("/proc/self/exe").parent_path() / "train_peers.py";
  CLI::App app("Times training beside Keras on JAX and PyTorch, and checkpoints within it");
  app.add_option("--cases", options.cases,
                 "MODEL:BATCH:SIZE; MODEL is convnet, transformer, mlp, text_convnet, depthwise or "
                 "an application")
      ->delimiter(',');
  app.add_option("--engines", options.engines, "lamina, keras-jax, torch, torch-compile")
      ->delimiter(',');
  app.add_option("--python", options.python, "A Python with keras and jax");
  app.add_option("--torch-python", options.torch_python, "A Python with torch and torchvision");
  app.add_option("--device", options.device, "cpu, or cuda:0 and so on; Keras computes on the CPU");
  app.add_option("--policy", options.policy, "float32, mixed_bfloat16 or mixed_float16");
  app.add_option("--threads", options.threads);
  app.add_option("--steps", options.steps, "Timed steps of a process");
  app.add_option("--seconds", options.seconds, "Stop a process's steps, or turns, after these");
  app.add_option("--rounds", options.rounds, "Processes of each kind, in turn; the best counts");
  app.add_flag("--predict", options.predict, "Inference in place of steps; no checkpoints then");
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
      const Case test = parse(options.child);
      const Json row =
          options.every > 0 ? train_with_checkpoints(options, test) : train(options, test);
      std::cout << row.dump() << "\n";
    } else {
      compare(options);
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}

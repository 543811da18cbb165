// How fast is prediction, and in how much memory, beside ONNX Runtime and Keras on JAX? Every
// engine computes the same model with the same weights on the same images, on the same cores, one
// after the other in one run; each in a process of its own. See bench/README.md.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <filesystem>
#include <iostream>

#include "bench/predict_case.h"

namespace fs = std::filesystem;
using lamina::bench::Json;

namespace {

struct Options {
  std::vector<std::string> models{"EfficientNetV2B0", "EfficientNetV2L"};
  std::vector<std::int64_t> batches{1, 8};
  std::vector<std::string> engines{"lamina", "onnxruntime", "keras-jax"};
  std::string python = "python3", json, machine = "unnamed", directory, child;
  std::size_t runs = 10, rounds = 2, profile_rows = 0;
  double seconds = 10;
  int threads = 2;
  bool realtime = false;
};

struct Paths {
  fs::path program, peers, directory;
  [[nodiscard]] std::string weights(const std::string& model) const {
    return directory / (model + ".weights.h5");
  }
  [[nodiscard]] std::string onnx(const std::string& model, std::int64_t batch) const {
    return directory / fmt::format("{}-{}.onnx", model, batch);
  }
  [[nodiscard]] std::string output(const std::string& engine) const {
    return directory / (engine + ".raw");
  }
};

std::vector<std::string> command(const Options& options, const Paths& paths,
                                 const std::string& engine, const std::string& model,
                                 std::int64_t batch, std::int64_t size) {
  const std::string threads = std::to_string(options.threads);
  std::vector<std::string> words{"env", "OMP_NUM_THREADS=" + threads, "taskset", "-c",
                                 lamina::bench::processors(options.threads)};
  const auto add = [&](const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
  };
  if (engine == "lamina") {
    add({paths.program, "--child", paths.directory, "--models", model});
    add({"--batches", std::to_string(batch)});
  } else {
    add({options.python, paths.peers, engine, model, std::to_string(batch), paths.weights(model)});
    add({"--size", std::to_string(size), "--threads", threads, "--output", paths.output(engine)});
    if (engine == "onnxruntime") add({"--onnx", paths.onnx(model, batch)});
  }
  add({"--runs", std::to_string(options.runs), "--seconds", fmt::format("{}", options.seconds)});
  if (options.realtime) add({"--realtime"});
  return words;
}

/// What only has to be made once: weights and ONNX graphs.
void prepare(const Options& options, const Paths& paths, const std::string& model,
             std::int64_t batch, std::int64_t size) {
  if (!fs::exists(paths.weights(model))) lamina::bench::make_weights(model, paths.weights(model));
  const bool wanted =
      std::count(options.engines.begin(), options.engines.end(), "onnxruntime") != 0;
  if (!wanted || fs::exists(paths.onnx(model, batch))) return;
  auto words = command(options, paths, "onnxruntime", model, batch, size);
  words.push_back("--export");
  (void)lamina::bench::run_child(words);
}

std::vector<float> read_floats(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<float> values(fs::file_size(path) / sizeof(float));
  file.read(reinterpret_cast<char*>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof(float)));
  return values;
}

/// Largest difference to the reference, relative to its largest value.
double disagreement(const std::string& path, const std::string& reference) {
  const auto a = read_floats(path), b = read_floats(reference);
  if (a.size() != b.size()) return INFINITY;
  float difference = 0, largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = std::max(difference, std::fabs(a[i] - b[i]));
    largest = std::max(largest, std::fabs(b[i]));
  }
  return difference / largest;
}

/// Of several rounds, the one with the best median: what the machine's other work disturbed least.
Json best(const Json& a, const Json& b) {
  return a.is_null() || b["median_ms"] < a["median_ms"] ? b : a;
}

Json run_case(const Options& options, const Paths& paths, const std::string& model,
              std::int64_t batch) {
  const std::int64_t size = lamina::bench::image_size(*lamina::applications::by_name(model));
  prepare(options, paths, model, batch, size);
  std::map<std::string, Json> results;
  for (std::size_t round = 0; round < options.rounds; ++round) {
    for (const std::string& engine : options.engines) {
      const std::string text =
          lamina::bench::run_child(command(options, paths, engine, model, batch, size));
      results[engine] =
          best(results[engine], Json::parse(text.substr(text.rfind('{', text.size()))));
    }
  }
  Json rows = Json::array();
  for (const std::string& engine : options.engines) {
    Json row = results[engine];
    row["difference"] = disagreement(paths.output(engine), paths.output(options.engines.front()));
    row["speed"] = results[engine]["median_ms"].get<double>() > 0
                       ? row["median_ms"].get<double>() /
                             results[options.engines.front()]["median_ms"].get<double>()
                       : 0;
    rows.push_back(row);
  }
  return rows;
}

/// What the peak, apart from mapped files, should keep to: the weights and a third, the largest
/// live activations, the input. For Lamina's own rows.
std::string memory_goal(const Json& row) {
  if (!row.contains("weights_bytes")) return "";
  const double bytes = 1.3 * row["weights_bytes"].get<double>() + row["arena_bytes"].get<double>() +
                       row["input_bytes"].get<double>();
  return fmt::format("{:.1f}", bytes / (1 << 20));
}

void print(const Json& rows) {
  for (const Json& row : rows) {
    fmt::print(
        "{:<18} {:>5}  {:<12} {:>10.2f} {:>10.2f} {:>8.2f} {:>9.2f} {:>9.2f} {:>9.1f} {:>9.1f} "
        "{:>9}  {:.1e}\n",
        row["model"].get<std::string>(), row["batch"].get<int>(), row["engine"].get<std::string>(),
        row["median_ms"].get<double>(), row["min_ms"].get<double>(), row["speed"].get<double>(),
        row["prepare_s"].get<double>(), row["first_s"].get<double>(),
        row["peak_rss_bytes"].get<double>() / (1 << 20),
        row["file_pages_bytes"].get<double>() / (1 << 20), memory_goal(row),
        row["difference"].get<double>());
  }
  std::cout.flush();
}

lamina::bench::PredictCase child_case(const Options& options) {
  const Paths paths{{}, {}, options.child};
  return {options.models.at(0),   options.batches.at(0), paths.weights(options.models[0]),
          paths.output("lamina"), options.runs,          options.seconds};
}

void compare(const Options& options, const char* program) {
  const Paths paths{fs::canonical(program), fs::path(LAMINA_SOURCE_DIR) / "bench/predict_peers.py",
                    options.directory};
  fs::create_directories(paths.directory);
  fmt::print("{:<18} {:>5}  {:<12} {:>10} {:>10} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9}  {}\n",
             "model", "batch", "engine", "median ms", "min ms", "x " + options.engines[0],
             "ready s", "first s", "peak MiB", "of files", "goal MiB", "differs");
  Json report{{"machine", options.machine},
              {"threads", options.threads},
              {"realtime", options.realtime},
              {"results", Json::array()}};
  for (const std::string& model : options.models) {
    for (const std::int64_t batch : options.batches) {
      const Json rows = run_case(options, paths, model, batch);
      print(rows);
      for (const Json& row : rows) report["results"].push_back(row);
    }
  }
  if (!options.json.empty()) std::ofstream(options.json) << report.dump(2) << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.directory = fs::temp_directory_path() / "lamina-bench-predict";
  CLI::App app("Times prediction beside ONNX Runtime and Keras on JAX");
  app.add_option("--models", options.models, "Names of applications")->delimiter(',');
  app.add_option("--batches", options.batches)->delimiter(',');
  app.add_option("--engines", options.engines, "lamina, onnxruntime, keras-jax")->delimiter(',');
  app.add_option("--python", options.python, "A Python with keras, jax, onnx and onnxruntime");
  app.add_option("--threads", options.threads);
  app.add_option("--runs", options.runs, "Timed runs of a process");
  app.add_option("--seconds", options.seconds,
                 "Stop a process's runs after these, having run thrice");
  app.add_option("--rounds", options.rounds,
                 "Processes of each engine, in turn; the best median counts");
  app.add_flag("--realtime", options.realtime,
               "Timed runs go before the machine's other work (root)");
  app.add_option("--json", options.json, "Write the results here");
  app.add_option("--machine", options.machine, "What to call this machine in the results");
  app.add_option("--directory", options.directory,
                 "Where weights and graphs are kept between runs");
  app.add_option("--profile", options.profile_rows, "Print Lamina's slowest operations instead");
  app.add_option("--child", options.child)->group("");
  CLI11_PARSE(app, argc, argv);
  try {
    if (!options.child.empty()) {
      std::cout << lamina::bench::measure(child_case(options)).dump() << "\n";
    } else if (options.profile_rows != 0) {
      auto test = child_case(options);
      test.weights.clear();
      std::cout << lamina::bench::profile(test, options.profile_rows);
    } else {
      compare(options, argv[0]);
    }
  } catch (const std::exception& error) {
    std::cerr << "bench_predict: " << error.what() << "\n";
    return 1;
  }
  return 0;
}

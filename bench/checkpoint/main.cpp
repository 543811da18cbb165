// Are saving and loading as fast as the disk and the memory allow, and how do others do?
//
//   bench_checkpoint --python .venv/bin/python --peers-python PYTHON --directory DIR
//                    --json bench/results/checkpoint-cpu.json --plot bench/results/checkpoint.svg
//
// Each figure is a ratio of medians of one run, against raw calls or another library on the same
// file system; what is compared takes turns (measure.cpp). With --case only that one is run, and
// takes its former place in the JSON file.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>

#include "measure.h"
#include "report.h"
#include "timeline_plot.h"

using namespace lamina;
using nlohmann::json;

namespace {

json former_results(const std::string& file, const json& machine) {
  std::ifstream in(file);
  if (!in) return {{"machine", machine}, {"cases", json::object()}};
  json results = json::parse(in);
  if (results["machine"] != machine) {
    throw std::runtime_error("the results in " + file + " are another machine's");
  }
  return results;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Times checkpoints against raw file operations and other libraries."};
  bench::Settings settings;
  std::vector<std::string> names;
  std::string out, plot;
  bool without_keras = false;
  app.add_option("--python", settings.python, "Python that has Keras and JAX");
  app.add_option("--peers-python", settings.peers_python, "Python that has safetensors and torch");
  app.add_flag("--without-keras", without_keras);
  app.add_option("--directory", settings.directory, "where to write the files (12 GB)");
  app.add_option("--rounds", settings.rounds);
  app.add_option("--case", names, "dense, sharded, efficientnetv2l, small; all if not given");
  app.add_option("--json", out, "file for the results");
  app.add_option("--plot", plot, "SVG file for the timeline of a transfer through the ring");
  CLI11_PARSE(app, argc, argv);
  settings.with_keras = !without_keras;

  const json machine = bench::describe_machine(settings.directory);
  json results = former_results(out, machine);
  for (const bench::Case& which : bench::all_cases()) {
    if (!names.empty() && std::find(names.begin(), names.end(), which.name) == names.end())
      continue;
    json result = bench::measure(which, settings);
    bench::report(which.name, result);
    results["cases"][which.name] = std::move(result);
    if (!out.empty()) std::ofstream(out) << results.dump(1) << "\n";
  }
  if (!plot.empty())
    std::ofstream(plot) << bench::plot_svg(bench::record_timeline(settings.directory));
}

#include "bench/gpu/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace lamina::bench {
namespace {

using nlohmann::json;

std::string goal(bool met) {
  return met ? "met" : "**missed**";
}

/// The rows of one precision and batch by engine.
std::string inference_line(const std::string& key, const std::map<std::string, json>& engines) {
  const auto rate = [&](const char* engine) {
    const auto found = engines.find(engine);
    return found == engines.end() ? 0.0 : found->second["images_per_s"].get<double>();
  };
  const auto cell = [](double value) { return value > 0 ? fmt::format("{:.1f}", value) : "-"; };
  const json& ours = engines.at("lamina");
  const double eager = rate("torch eager"), compiled = rate("torch compile");
  const double least = ours["batch"] == 1 ? 1.2 : 1.0;
  std::string verdict = "-";
  if (eager > 0) {
    const double ratio = rate("lamina") / eager;
    verdict = fmt::format("{:.2f} ({:g}: {})", ratio, least, goal(ratio >= least));
  }
  return fmt::format("| {} | {} | {:.2f} ms | {:.1f} | {} | {} | {} |\n", key, cell(rate("lamina")),
                     ours["latency_ms"].get<double>(), ours["of_floor"].get<double>(), cell(eager),
                     cell(compiled), verdict);
}

std::string inference(const json& rows) {
  std::map<std::pair<std::size_t, std::string>, std::map<std::string, json>> lines;
  std::vector<std::string> order;
  for (const json& row : rows) {
    const std::string key = fmt::format("{}, {}", row["precision"].get<std::string>(),
                                        row["batch"].get<std::int64_t>());
    auto at = std::find(order.begin(), order.end(), key);
    if (at == order.end()) at = order.insert(order.end(), key);
    lines[{static_cast<std::size_t>(at - order.begin()), key}].emplace(row["engine"], row);
  }
  std::string out =
      "| precision, batch | images/s | latency | of the convolutions' floor | PyTorch eager | "
      "PyTorch compiled | of eager (goal) |\n|---|---|---|---|---|---|---|\n";
  for (const auto& [key, engines] : lines) {
    if (engines.contains("lamina")) out += inference_line(key.second, engines);
  }
  return out;
}

std::string operations(const json& rows) {
  std::string out;
  for (const json& row : rows) {
    out += fmt::format("{}, {}\n\n```\n{}```\n\n", row["precision"].get<std::string>(),
                       row["batch"].get<std::int64_t>(), row["table"].get<std::string>());
  }
  return out;
}

std::string copies(const json& rows) {
  std::string out = "| copy | GB/s |\n|---|---|\n";
  double peak = 0, ring = 0;
  for (const json& row : rows) {
    const std::string what = row["what"];
    const double rate = row["gb_per_s"];
    out += fmt::format("| {} | {:.2f} |\n", what, rate);
    if (what == "device to page-locked memory, peak") peak = rate;
    if (what == "device to host through the ring") ring = rate;
  }
  if (peak > 0) {
    out += fmt::format("| the ring, of the peak (0.95: {}) | {:.3f} |\n", goal(ring >= 0.95 * peak),
                       ring / peak);
  }
  return out;
}

std::string saves(const json& rows) {
  std::string out =
      "| model, where | engine | save | load | of max(copy, write) (1.05) "
      "|\n|---|---|---|---|---|\n";
  for (const json& row : rows) {
    const double save = row["save_s"];
    std::string verdict = "-";
    if (row.contains("write_s")) {
      const double ratio =
          save / std::max(row["write_s"].get<double>(), row["copy_s"].get<double>());
      verdict = fmt::format("{:.2f}: {}", ratio, goal(ratio <= 1.05));
    }
    out +=
        fmt::format("| {}, {} | {} | {:.3f} s | {:.3f} s | {} |\n", row["model"].get<std::string>(),
                    row["where"].get<std::string>(), row["engine"].get<std::string>(), save,
                    row["load_s"].get<double>(), verdict);
  }
  return out;
}

std::string stall(const json& rows) {
  std::string out =
      "| while a save in the background is in flight | step | longer (1 %) | the call (10 ms) | "
      "save "
      "|\n|---|---|---|---|---|\n";
  for (const json& row : rows) {
    const double alone = row["step_ms"], saving = row["step_while_saving_ms"];
    const double share = saving / alone - 1, returns = row["returns_ms"];
    out += fmt::format("| {} | {:.2f} ms | {:.2f} %: {} | {:.2f} ms: {} | {:.2f} s |\n",
                       row["what"].get<std::string>(), alone, share * 100, goal(share <= 0.01),
                       returns, goal(returns <= 10), row["save_s"].get<double>());
  }
  return out;
}

}  // namespace

std::string gpu_report(const json& results) {
  std::string out = fmt::format("{}, {}{}\n", results.at("device").get<std::string>(),
                                results.at("date").get<std::string>(),
                                results.value("autotuned", false) ? ", engines measured" : "");
  const std::pair<const char*, std::string (*)(const json&)> parts[] = {{"inference", inference},
                                                                        {"operations", operations},
                                                                        {"copies", copies},
                                                                        {"saves", saves},
                                                                        {"stall", stall}};
  for (const auto& [name, table] : parts) {
    if (results.contains(name)) out.append("\n").append(table(results[name]));
  }
  return out;
}

}  // namespace lamina::bench

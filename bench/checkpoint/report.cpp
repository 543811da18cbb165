#include "report.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <fstream>

#include "numbers.h"

namespace lamina::bench {
namespace {

using nlohmann::json;

/// `of` divided by `by` shall be at least `least`.
struct Goal {
  const char* what;
  const char* of;
  const char* by;
  double least;
};

std::vector<Goal> goals_of(const std::string& name) {
  const std::vector<Goal> raw{
      {"save, of raw writes", "raw_write", "save", 0.90},
      {"first save, of raw writes", "raw_write", "save_first", 0},
      {"load from the page cache, of raw reads", "raw_read", "load", 0.90},
      {"the same, of raw reads into used memory", "raw_read_again", "load", 0},
      {"cold load, of raw reads", "raw_read_cold", "load_cold", 0.90}};
  const double first = name == "dense" || name == "sharded" ? 2 : 4;
  const double repeated = name == "small" ? 15 : name == "efficientnetv2l" ? 5 : 2;
  std::vector<Goal> goals{
      {"first save, of Keras's", "keras_save", "save_first", first},
      {"save, of Keras's", "keras_save", "save", repeated},
      {"load, of Keras's", "keras_load", "load", 5},
      {"save, of one without seal", "save_unsealed", "save", 0.98},
      {"load, of one unverified", "load_unverified", "load", 0.97},
      {"cold load, of one unverified", "load_cold_unverified", "load_cold", 0.97},
      {"save, of safetensors'", "safetensors_save", "save", 0},
      {"load, of safetensors'", "safetensors_load", "load", 0},
      {"save, of torch.save", "torch_save", "save", 0},
      {"load, of torch.load", "torch_load", "load", 0}};
  goals.insert(goals.begin(), raw.begin(), raw.end());
  if (name != "dense" && name != "sharded") {
    for (Goal& goal : goals) goal.least = goal.least < 1 ? 0 : goal.least;
  }
  return goals;
}

void print_time(const std::string& name, const std::vector<double>& times, double bytes) {
  const auto [low, high] = std::minmax_element(times.begin(), times.end());
  const double middle = median(times);
  fmt::print("  {:<28}{:>10.4f} s  ({:.4f} to {:.4f}){:>9.2f} GB/s\n", name, middle, *low, *high,
             bytes / middle / 1e9);
}

/// What was timed in turns is divided turn by turn, so that a machine that is slow for a while is
/// so for both: the median of the ratios. Otherwise the ratio of the medians.
double ratio_of(const std::vector<double>& of, const std::vector<double>& by) {
  if (of.size() != by.size()) return median(of) / median(by);
  std::vector<double> ratios;
  for (std::size_t i = 0; i < of.size(); ++i) ratios.push_back(of[i] / by[i]);
  return median(ratios);
}

json add_ratio(const Goal& goal, const json& times) {
  const double ratio = ratio_of(times[goal.of], times[goal.by]);
  const bool met = ratio >= goal.least;
  fmt::print(
      "  {:<44}{:>8.2f}x{}\n", goal.what, ratio,
      goal.least == 0 ? "" : fmt::format("  (goal {:g}{})", goal.least, met ? "" : ": MISSED"));
  return {{"what", goal.what}, {"ratio", ratio}, {"least", goal.least}};
}

json add_limit(const char* what, double value, double most, const char* unit) {
  fmt::print("  {:<44}{:>8.2f} {} (goal {:g}{})\n", what, value, unit, most,
             value <= most ? "" : ": MISSED");
  return {{"what", what}, {"value", value}, {"unit", unit}, {"most", most}};
}

std::string first_value(const char* file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key)) return line.substr(line.find_first_not_of(": \t", key.size()));
  }
  return "unknown";
}

std::string file_system(const std::string& directory) {
  struct statfs status {};
  if (::statfs(directory.c_str(), &status) != 0) return "unknown";
  switch (static_cast<unsigned long>(status.f_type)) {
    case 0xef53:
      return "ext4";
    case 0x58465342:
      return "xfs";
    case 0x9123683e:
      return "btrfs";
    case 0x01021994:
      return "tmpfs";
    case 0x794c7630:
      return "overlayfs";
  }
  return fmt::format("{:#x}", static_cast<unsigned long>(status.f_type));
}

}  // namespace

json describe_machine(const std::string& directory) {
  utsname system{};
  ::uname(&system);
  const double pages = static_cast<double>(::sysconf(_SC_PHYS_PAGES));
  const double page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  return {{"cpu", first_value("/proc/cpuinfo", "model name")},
          {"cores", ::sysconf(_SC_NPROCESSORS_ONLN)},
          {"memory_gib", std::round(pages * page / (1 << 30))},
          {"kernel", fmt::format("{} {}", system.sysname, system.release)},
          {"file_system", file_system(directory)}};
}

void report(const std::string& name, json& result) {
  const json& times = result["seconds"];
  const double bytes = result["bytes"], variables = result["variables"];
  fmt::print("{}: {}, {:.0f} MB; medians of {} rounds\n", name, result["what"].get<std::string>(),
             bytes / 1e6, times["save_first"].size());
  for (const auto& [key, values] : times.items()) print_time(key, values, bytes);
  json goals = json::array();
  for (const Goal& goal : goals_of(name)) {
    if (times.contains(goal.of) && times.contains(goal.by)) {
      goals.push_back(add_ratio(goal, times));
    }
  }
  const std::vector<double> returns = times["async_returns"], first = times["async_first_returns"];
  goals.push_back(add_limit("save_weights_async returns", median(returns) * 1e3, 10, "ms"));
  goals.push_back(add_limit("the same, longest",
                            *std::max_element(returns.begin(), returns.end()) * 1e3, 10, "ms"));
  goals.push_back(add_limit("the same, first call on a model", median(first) * 1e3, 10, "ms"));
  if (name == "small") {
    const double beside = (median(times["save"]) - median(times["raw_write"])) / variables * 1e6;
    goals.push_back(add_limit("a repeated save beside its bytes", beside, 2, "us a variable"));
  }
  result["goals"] = goals;
}

}  // namespace lamina::bench

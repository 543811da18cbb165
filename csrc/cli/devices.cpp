#include <fmt/format.h>
#include <lamina/devices.h>

#include <thread>

#include "cli/command.h"
#include "cli/devices_text.h"
#include "cli/text.h"

namespace lamina::cli {

std::string devices_text(const CudaDevices& cuda, unsigned cpu_threads) {
  std::vector<std::vector<std::string>> rows{{"cpu", fmt::format("{} threads", cpu_threads)}};
  for (const CudaDevice& each : cuda.usable) {
    rows.push_back(
        {each.device.str(),
         fmt::format("{}, sm_{}{}, {:.1f} GiB", printable(each.name), each.compute_major,
                     each.compute_minor, static_cast<double>(each.memory_bytes) / (1U << 30))});
  }
  if (cuda.usable.empty()) rows.push_back({"cuda", "none: " + one_line(cuda.problem)});
  return format_table(rows, {false, false});
}

void add_devices(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "devices", "List the devices that tensors can live on, or why there are none");
  command->callback(
      [] { fmt::print("{}", devices_text(cuda_devices(), std::thread::hardware_concurrency())); });
}

}  // namespace lamina::cli

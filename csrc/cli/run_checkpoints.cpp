#include "cli/run_checkpoints.h"

#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/log.h>

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/damage.h"
#include "core/progress.h"

namespace lamina::cli {
namespace {

std::string damage_of(const std::filesystem::path& checkpoint) {
  Progress bar("verify", 0, Progress::Style::kBytes);
  return checkpoint::damage_of(
      checkpoint, [&](std::uint64_t done, std::uint64_t total) { bar.update(done, total); },
      storage::posix());
}

}  // namespace

RunCheckpoints::RunCheckpoints(std::filesystem::path directory, std::size_t max_to_keep)
    : directory_(std::move(directory)),
      manager_({.directory = directory_, .max_to_keep = max_to_keep}) {}

std::filesystem::path RunCheckpoints::path(std::int64_t step) const {
  const std::filesystem::path file = manager_.path(step);
  return directory_ / file.parent_path().filename() / file.filename();
}

void RunCheckpoints::save(FitRun& run) {
  last_.wait();
  run.refresh_state();
  last_ = manager_.save_async(run.step(), run.model());
}

void RunCheckpoints::finish() {
  last_.wait();
}

std::filesystem::path RunCheckpoints::resume_point() const {
  const std::vector<std::int64_t> steps = manager_.steps();
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    const std::string damage = damage_of(path(*step));
    if (damage.empty()) return path(*step);
    warn(fmt::format("The checkpoint of step {} was skipped: {}", *step, damage));
  }
  if (steps.empty()) return {};
  throw FormatError(
      fmt::format("There is no checkpoint to go on from: each is damaged, the newest of them '{}'.",
                  path(steps.back()).string()));
}

}  // namespace lamina::cli

#include <fmt/format.h>

#include <memory>
#include <string>

#include "checkpoint/steps/recover_directory.h"
#include "cli/command.h"
#include "cli/text.h"
#include "core/tell.h"

namespace lamina::cli {
namespace {

ExitStatus recover(const std::string& directory) {
  const checkpoint::Recovery done = checkpoint::recover_directory(directory, storage::posix());
  for (const auto& name : done.finished) fmt::print("{}: recovered\n", printable(name));
  for (const auto& name : done.removed) fmt::print("{}: removed\n", printable(name));
  for (const auto& name : done.in_use) {
    fmt::print("{}: in use by a save, left alone\n", printable(name));
  }
  for (const auto& problem : done.problems) {
    core::tell(stderr, "lamina: error: {}\n", one_line(problem));
  }
  if (!done.problems.empty()) return kFailed;
  if (done.finished.empty() && done.removed.empty() && done.in_use.empty()) {
    fmt::print("nothing to recover\n");
  }
  return kSuccess;
}

}  // namespace

void add_recover(CLI::App& app, ExitStatus& status) {
  CLI::App* command = app.add_subcommand(
      "recover",
      "Finish or undo interrupted saves in a directory, of checkpoints or of a training run's "
      "steps, and remove what they left");
  const auto directory = std::make_shared<std::string>();
  command->add_option("DIR", *directory, "a directory with checkpoints")->required();
  command->callback([directory, &status] { status = recover(*directory); });
}

}  // namespace lamina::cli

#include "checkpoint/verify/verify.h"

#include <fmt/format.h>

#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/text.h"
#include "core/readable_size.h"
#include "core/tell.h"
#include "core/terminal_progress.h"

namespace lamina::cli {
namespace {

ExitStatus verify(const std::string& path) {
  checkpoint::VerifyReport report;
  {
    core::TerminalProgress bar("verify", 0, core::TerminalProgress::Style::kBytes);
    report = checkpoint::verify(
        path, [&](std::uint64_t done, std::uint64_t total) { bar.update(done, total); },
        storage::posix());
  }
  for (const std::string& problem : report.problems) fmt::print("{}\n", one_line(problem));
  for (const std::string& file : report.unsealed) {
    fmt::print("'{}' is not sealed: its structure was checked, its tensors' bytes cannot be\n",
               printable(file));
  }
  if (!report.problems.empty()) {
    fmt::print("{}: {} problem{}\n", printable(path), report.problems.size(),
               report.problems.size() == 1 ? "" : "s");
  }
  for (const std::string& reason : report.unreadable) {
    core::tell(stderr, "lamina: error: '{}' cannot be verified as a whole: {}\n", printable(path),
               one_line(reason));
  }
  if (!report.unreadable.empty()) return kFailed;
  if (!report.problems.empty()) return kDifferent;
  fmt::print("{}: sound, {} file{}, {} tensor{} verified, {}\n", printable(path), report.files,
             report.files == 1 ? "" : "s", report.tensors, report.tensors == 1 ? "" : "s",
             core::readable_size(static_cast<double>(report.bytes)));
  return kSuccess;
}

}  // namespace

void add_verify(CLI::App& app, ExitStatus& status) {
  CLI::App* command = app.add_subcommand(
      "verify", "Check that weights are complete and as they were saved, to the bit");
  const auto path = std::make_shared<std::string>();
  command->add_option("W", *path, "a .weights.h5, .weights.json or .keras file")->required();
  command->callback([path, &status] { status = verify(*path); });
}

}  // namespace lamina::cli

#include <fmt/format.h>

#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/model_spec.h"

namespace lamina::cli {

void add_summary(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("summary", "Print a model's layers, shapes and parameters");
  const auto model = std::make_shared<std::string>();
  command->add_option("MODEL", *model, kModelHelp)->required();
  command->callback([model] { fmt::print("{}", make_model(*model)->summary()); });
}

}  // namespace lamina::cli

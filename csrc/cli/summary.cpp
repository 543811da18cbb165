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
  const auto as_json = std::make_shared<bool>(false);
  command->add_option("MODEL", *model, kModelHelp)->required();
  command->add_flag("--json", *as_json, "print Keras's configuration (model.to_json()) instead");
  command->callback([model, as_json] {
    const ModelPtr made = make_model(*model, *as_json ? Compiled::kAsSaved : Compiled::kNot);
    fmt::print("{}", *as_json ? made->to_json() + "\n" : made->summary());
  });
}

}  // namespace lamina::cli

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/model_files.h"
#include "cli/model_spec.h"
#include "core/terminal_progress.h"

namespace lamina::cli {
namespace {

struct Arguments {
  std::string model, weights;
  std::optional<double> max_shard_size;
  std::optional<std::uint64_t> seed;
  bool no_overwrite = false, no_seal = false;
};

/// Values are made at first use; making them here shows how far that is.
void initialise(const Model& model) {
  const std::vector<VariablePtr> variables = model.variables();
  core::TerminalProgress bar("initialise", variables.size(), core::TerminalProgress::Style::kCount,
                             "variables");
  for (std::size_t i = 0; i < variables.size(); ++i) {
    (void)variables[i]->value();
    bar.update(i + 1);
  }
}

void init(const Arguments& arguments) {
  SaveOptions options{.overwrite = !arguments.no_overwrite,
                      .max_shard_size = arguments.max_shard_size,
                      .seal = !arguments.no_seal};
  require_place_for_model(arguments.weights, arguments.max_shard_size.has_value());
  if (!may_replace(arguments.weights, options)) return;
  // Weights alone come without an optimizer that has yet to begin.
  const auto compiled = is_archive(arguments.weights) ? Compiled::kAsSaved : Compiled::kNot;
  const ModelPtr model = make_fresh_model(arguments.model, compiled, arguments.seed);
  require_savable(*model, arguments.weights, options);
  initialise(*model);
  save_model(*model, arguments.weights, options);
}

}  // namespace

void add_init(CLI::App& app) {
  CLI::App* command = app.add_subcommand("init", "Write a model's freshly initialised weights");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("MODEL", arguments->model, kModelHelp)->required();
  command
      ->add_option("--weights,--weights-out", arguments->weights,
                   "the .weights.h5 file to write, or with --max-shard-size .weights.json, or a "
                   ".keras file of the whole model")
      ->required()
      ->type_name("OUT");
  command->add_option("--max-shard-size", arguments->max_shard_size, kShardSizeHelp)
      ->check(positive())
      ->type_name("GB");
  command->add_option("--seed", arguments->seed, "make the same values every time")
      ->transform(whole_number(0, std::numeric_limits<std::uint64_t>::max()))
      ->type_name("N");
  command->add_flag("--no-overwrite", arguments->no_overwrite, kNoOverwriteHelp);
  command->add_flag("--no-seal", arguments->no_seal, kNoSealHelp);
  command->callback([arguments] { init(*arguments); });
}

}  // namespace lamina::cli

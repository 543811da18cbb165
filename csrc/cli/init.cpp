#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/model_spec.h"
#include "cli/save_model.h"
#include "core/terminal_progress.h"

namespace lamina::cli {
namespace {

struct Arguments {
  std::string model, weights;
  double max_shard_size = 0;
  std::uint64_t seed = 0;
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

void init(const Arguments& arguments, bool sharded, bool seeded) {
  if (seeded) set_random_seed(arguments.seed);
  const ModelPtr model = make_model(arguments.model);
  initialise(*model);
  core::TerminalProgress bar("save", 0, core::TerminalProgress::Style::kBytes);
  SaveOptions options;
  options.overwrite = !arguments.no_overwrite;
  options.seal = !arguments.no_seal;
  if (sharded) options.max_shard_size = arguments.max_shard_size;
  options.progress = [&](std::uint64_t done, std::uint64_t total) { bar.update(done, total); };
  save_model(*model, arguments.weights, options);
}

}  // namespace

void add_init(CLI::App& app) {
  CLI::App* command = app.add_subcommand("init", "Write a model's freshly initialised weights");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("MODEL", arguments->model, kModelHelp)->required();
  command
      ->add_option("--weights", arguments->weights,
                   "the .weights.h5 file to write, or with --max-shard-size .weights.json, or a "
                   ".keras file of the whole model")
      ->required()
      ->type_name("OUT");
  const CLI::Option* shard =
      command->add_option("--max-shard-size", arguments->max_shard_size, kShardSizeHelp)
          ->type_name("GB");
  const CLI::Option* seed =
      command->add_option("--seed", arguments->seed, "make the same values every time")
          ->type_name("N");
  command->add_flag("--no-overwrite", arguments->no_overwrite, "ask before replacing a file");
  command->add_flag("--no-seal", arguments->no_seal, kNoSealHelp);
  command->callback(
      [arguments, shard, seed] { init(*arguments, shard->count() > 0, seed->count() > 0); });
}

}  // namespace lamina::cli

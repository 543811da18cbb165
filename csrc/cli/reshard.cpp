#include <lamina/error.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "checkpoint/checkpoint.h"
#include "checkpoint/names/paths.h"
#include "cli/command.h"
#include "cli/model_files.h"
#include "cli/model_spec.h"
#include "cli/stored_weights.h"
#include "core/terminal_progress.h"
#include "models/weights/keras_paths.h"
#include "weights/weight_tree.h"

namespace lamina::cli {
namespace {

struct Arguments {
  std::string in, out, model;
  std::optional<double> max_shard_size;
  bool no_overwrite = false, no_seal = false;
};

SaveOptions options_of(const Arguments& arguments) {
  return {.overwrite = !arguments.no_overwrite,
          .max_shard_size = arguments.max_shard_size,
          .seal = !arguments.no_seal};
}

/// The stored groups as the children of a root, in the order in which they were written.
weights::WeightTree read_tree(const StoredWeights& stored) {
  core::TerminalProgress bar("load", stored.nbytes(), core::TerminalProgress::Style::kBytes);
  std::uint64_t done = 0;
  weights::WeightTree tree;
  tree.nodes.emplace_back();
  for (const StoredGroup& group : stored.groups()) {
    const std::string object = group.path.substr(0, group.path.rfind('/'));
    const weights::NodeId id = object.empty() ? 0 : tree.nodes.size();
    if (id != 0) {
      tree.nodes.emplace_back();
      tree.nodes[0].edges.push_back({object.substr(1), id});
    }
    weights::WeightNode& node = tree.nodes[id];
    node.name = group.name.value_or("");
    node.has_name = group.name.has_value();
    for (const StoredVariable& variable : group.variables) {
      node.variables.push_back(
          {variable.key, std::make_shared<Variable>(group.path + "/" + variable.key,
                                                    stored.read(group, variable))});
      bar.update(done += variable.dataset.nbytes);
    }
  }
  return tree;
}

void reshard_as_written(const Arguments& arguments) {
  if (is_archive(arguments.out)) {
    throw ValueError("A .keras file holds a model and its weights: give the model by --model. " +
                     std::string("Received: OUT=") + arguments.out);
  }
  SaveOptions options = options_of(arguments);
  require_place_for_model(arguments.out, arguments.max_shard_size.has_value());
  if (!may_replace(arguments.out, options)) return;
  StoredWeights stored(arguments.in);
  stored.require_sound();
  stored.require_as_saved();
  const weights::WeightTree tree = read_tree(stored);
  core::TerminalProgress bar("save", 0, core::TerminalProgress::Style::kBytes);
  checkpoint::SaveRequest request;
  request.overwrite = options.overwrite;
  request.max_shard_size = options.max_shard_size;
  request.progress = [&](std::uint64_t done, std::uint64_t total) { bar.update(done, total); };
  request.seal = options.seal;
  checkpoint::save(tree, arguments.out, request);
}

/// Whether there is a state of an optimizer, which a model, or one within it, has to be compiled to
/// take. What a legacy file has of it is not read.
bool holds_optimizer(const std::string& in) {
  if (checkpoint::load_kind(in) == checkpoint::LoadKind::kLegacy) return false;
  return std::ranges::any_of(StoredWeights(in).groups(), [](const StoredGroup& group) {
    return models::is_of_optimizer(group.path) && !group.variables.empty();
  });
}

/// What the model says of its own weights and its own optimizer's state does not go with those that
/// are loaded.
ModelPtr model_for(const Arguments& arguments) {
  const bool compiled = is_archive(arguments.out) || holds_optimizer(arguments.in);
  return make_fresh_model(arguments.model, compiled ? Compiled::kAsSaved : Compiled::kNot);
}

void reshard_through_model(const Arguments& arguments) {
  SaveOptions options = options_of(arguments);
  require_place_for_model(arguments.out, arguments.max_shard_size.has_value());
  if (!may_replace(arguments.out, options)) return;
  const ModelPtr model = model_for(arguments);
  require_savable(*model, arguments.out, options);
  load_weights(*model, arguments.in);
  save_model(*model, arguments.out, options);
}

}  // namespace

void add_reshard(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("reshard", "Write weights again in one file, or in shards");
  const auto arguments = std::make_shared<Arguments>();
  command
      ->add_option(
          "IN", arguments->in,
          "a .weights.h5, .weights.json or .keras file, with --model a legacy .h5 file too")
      ->required();
  command
      ->add_option(
          "OUT", arguments->out,
          "the .weights.h5 file, or with --max-shard-size .weights.json, or with --model a "
          ".keras file")
      ->required();
  command->add_option("--max-shard-size", arguments->max_shard_size, kShardSizeHelp)
      ->check(positive())
      ->type_name("GB");
  command
      ->add_option(
          "--model", arguments->model,
          std::string("load the weights into this model and save it, rather than keep the order "
                      "in which the file was written: ") +
              kModelHelp)
      ->type_name("MODEL");
  command->add_flag("--no-overwrite", arguments->no_overwrite, kNoOverwriteHelp);
  command->add_flag("--no-seal", arguments->no_seal, kNoSealHelp);
  command->callback([arguments] {
    if (arguments->model.empty()) {
      reshard_as_written(*arguments);
    } else {
      reshard_through_model(*arguments);
    }
  });
}

}  // namespace lamina::cli

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/command.h"
#include "cli/stored_weights.h"
#include "cli/weights_tree_text.h"

namespace lamina::cli {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const StoredWeights& weights, const StoredGroup& group) {
  Json variables = Json::array();
  for (const StoredVariable& variable : group.variables) {
    variables.push_back({{"key", variable.key},
                         {"dtype", variable.type_name()},
                         {"shape", variable.dataset.shape.dims()},
                         {"bytes", variable.dataset.nbytes},
                         {"file", weights.files()[variable.file]}});
  }
  const Json name = group.name ? Json(*group.name) : Json();
  return {{"path", group.path}, {"name", name}, {"variables", std::move(variables)}};
}

Json to_json(const StoredWeights& weights, const std::string& path) {
  Json groups = Json::array();
  for (const StoredGroup& group : weights.groups()) groups.push_back(to_json(weights, group));
  const Totals totals = totals_of(weights);
  return {{"path", path},
          {"sharded", weights.sharded()},
          {"files", weights.files()},
          {"groups", std::move(groups)},
          {"totals",
           {{"groups", totals.groups},
            {"variables", totals.variables},
            {"parameters", totals.parameters},
            {"bytes", totals.bytes}}}};
}

void inspect(const std::string& path, bool as_json) {
  const StoredWeights weights{path};
  if (as_json) {
    // Names in a file need not be UTF-8; what is not is replaced.
    fmt::print("{}\n", to_json(weights, path).dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    fmt::print("{}\n{}", tree_text(weights), totals_text(weights));
  }
}

}  // namespace

void add_inspect(CLI::App& app) {
  CLI::App* command = app.add_subcommand("inspect", "Show what a weights file holds");
  const auto path = std::make_shared<std::string>();
  const auto as_json = std::make_shared<bool>(false);
  command->add_option("W", *path, "a .weights.h5, .weights.json or .keras file")->required();
  command->add_flag("--json", *as_json, "print JSON instead of a tree");
  command->callback([path, as_json] { inspect(*path, *as_json); });
}

}  // namespace lamina::cli

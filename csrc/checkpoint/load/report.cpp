#include "checkpoint/load/report.h"

#include <fmt/format.h>

#include "checkpoint/load/nearest.h"

namespace lamina::checkpoint {
namespace {

using weights::WeightNode;
using weights::WeightTree;

constexpr std::size_t kMostShown = 12;  // variables of one group, groups of one warning

std::string wanted_text(const WeightNode& node) {
  std::string out;
  for (std::size_t i = 0; i < node.variables.size(); ++i) {
    const auto& [key, variable] = node.variables[i];
    if (i == kMostShown) return out + fmt::format(", ... ({} in all)", node.variables.size());
    out += fmt::format("{}{}: {} {} {}", i ? ", " : "", key, variable->name(),
                       variable->shape().str(), dtype_name(variable->dtype()));
  }
  return out.empty() ? "no variables" : out;
}

std::string found_text(const CatalogGroup& group) {
  std::string out;
  std::size_t i = 0;
  for (const auto& [key, item] : group.items) {
    if (i == kMostShown) return out + fmt::format(", ... ({} in all)", group.count);
    out += fmt::format("{}{}: {} {}", i++ ? ", " : "", key, item.dataset->shape.str(),
                       item.dataset->type.description);
  }
  return out.empty() ? "no variables" : out;
}

std::string details(const Mismatch& mismatch, const WeightNode& node, const Nearest& nearest) {
  const Attempt& best = mismatch.best();
  std::string looked;
  for (const Attempt& attempt : mismatch.attempts) {
    looked += (looked.empty() ? "'" : ", '") + attempt.path + "'";
  }
  std::string out = fmt::format("    looked for: {}\n    wanted: {}\n    found: {}", looked,
                                wanted_text(node), found_text(best.found));
  const CatalogGroup* near = nearest.find(node, best.path);
  if (near != nullptr && near->path != best.found.path) {
    out += fmt::format("\n    nearest in the file: '{}' with {}", near->path, found_text(*near));
  }
  return out;
}

}  // namespace

std::string mismatch_report(const Match& match, const WeightTree& tree, const Catalog& catalog) {
  const Nearest nearest(catalog);
  const Mismatch& first = match.mismatches.front();
  std::string reprs, list;
  for (const Mismatch& mismatch : match.mismatches) {
    const WeightNode& node = tree.nodes[mismatch.node];
    reprs += (reprs.empty() ? "" : ", ") + node.repr();
    list += fmt::format("\n- {}: {}\n{}", node.repr(), mismatch.best().error,
                        details(mismatch, node, nearest));
  }
  return fmt::format(
      "A total of {} objects could not be loaded. Example error message for object {}:\n\n{}\n\n"
      "List of objects that could not be loaded:\n[{}]\n\nIn '{}':{}",
      match.mismatches.size(), tree.nodes[first.node].repr(), first.best().error, reprs,
      catalog.path().string(), list);
}

std::vector<std::string> skip_warnings(const Match& match, const WeightTree& tree,
                                       const Catalog& catalog) {
  std::vector<std::string> out;
  if (match.mismatches.empty()) return out;
  const Nearest nearest(catalog);
  for (const Mismatch& mismatch : match.mismatches) {
    const WeightNode& node = tree.nodes[mismatch.node];
    out.push_back(fmt::format("Skipping {}, which keeps its values: {}\n{}\n    file: '{}'",
                              node.repr(), mismatch.best().error, details(mismatch, node, nearest),
                              catalog.path().string()));
  }
  return out;
}

std::string unused_warning(const Match& match, const Catalog& catalog) {
  if (match.unused.empty()) return {};
  const auto groups = catalog.all();
  std::size_t variables = 0;
  std::string list;
  for (std::size_t i = 0; i < match.unused.size(); ++i) {
    const std::size_t count = groups.at(match.unused[i]).count;
    variables += count;
    if (i < kMostShown) list += fmt::format("{}'{}' ({})", i ? ", " : "", match.unused[i], count);
  }
  if (match.unused.size() > kMostShown) list += ", ...";
  return fmt::format("'{}' holds {} variables in {} groups that the model did not ask for: {}.",
                     catalog.path().string(), variables, match.unused.size(), list);
}

}  // namespace lamina::checkpoint

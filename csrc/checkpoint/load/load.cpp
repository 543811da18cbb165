#include "checkpoint/load/load.h"

#include <lamina/error.h>
#include <lamina/log.h>

#include "checkpoint/load/catalog.h"
#include "checkpoint/load/match.h"
#include "checkpoint/load/read_assignments.h"
#include "checkpoint/load/report.h"
#include "checkpoint/load/seals.h"

namespace lamina::checkpoint {
namespace {

void give_warnings(const Match& match, const weights::WeightTree& tree, const Catalog& catalog) {
  for (const std::string& warning : match.warnings) warn(warning);
  for (const std::string& warning : skip_warnings(match, tree, catalog)) warn(warning);
  if (const std::string warning = unused_warning(match, catalog); !warning.empty()) warn(warning);
}

}  // namespace

void load(const weights::WeightTree& tree, const std::filesystem::path& path,
          const LoadRequest& request, storage::Storage& storage) {
  load(tree, Catalog(path, storage, request.verify), request);
}

void load(const weights::WeightTree& tree, const Catalog& catalog, const LoadRequest& request) {
  read(tree, catalog, request).assign();
}

ReadValues read(const weights::WeightTree& tree, const Catalog& catalog,
                const LoadRequest& request) {
  if (tree.nodes.empty() || !tree.nodes.front().built) {
    throw ValueError(
        "You are loading weights into a model that has not yet been built. Try building the model "
        "first "
        "by calling it on some data or by using `build()`.");
  }
  const Seals seals = request.verify ? Seals(catalog) : Seals();
  Match found = match(tree, catalog, request.skip);
  if (request.left_out) std::erase_if(found.unused, request.left_out);
  if (!found.mismatches.empty() && !request.skip_mismatch) {
    throw MismatchError(mismatch_report(found, tree, catalog));
  }
  ReadValues values = read_assignments(found.assignments, seals, catalog.path(),
                                       {.progress = request.progress, .travel = request.travel});
  give_warnings(found, tree, catalog);
  return values;
}

}  // namespace lamina::checkpoint

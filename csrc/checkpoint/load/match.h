#pragma once
#include <string>
#include <unordered_set>
#include <vector>

#include "checkpoint/load/catalog.h"
#include "weights/weight_tree.h"

namespace lamina::checkpoint {

/// A variable and the dataset that becomes its value.
struct Assignment {
  VariablePtr variable;
  CatalogItem item;
};

/// An object that the checkpoint does not fit, at one of the paths by which it was looked for.
struct Attempt {
  std::string path;   ///< of the `vars` group
  std::string error;  ///< in Keras's words
  CatalogGroup found;
};

struct Mismatch {
  weights::NodeId node;
  std::vector<Attempt> attempts;

  /// The attempt that found most; of equals the first, which is where a save would have put it.
  [[nodiscard]] const Attempt& best() const;
};

struct Match {
  std::vector<Assignment> assignments;  ///< in the order of the walk
  std::vector<Mismatch> mismatches;     ///< in the order in which they first failed
  std::vector<std::string> warnings;    ///< what Keras only warns of
  std::vector<std::string> unused;      ///< paths of groups with variables that nothing asked for
};

/// Keras's walk over a checkpoint: objects are found by path, and one that failed is tried again
/// under each further path that leads to it. Reads no data and changes no variable. `skip` holds
/// nodes that are left alone with all that only they hold.
[[nodiscard]] Match match(const weights::WeightTree& tree, const Catalog& catalog,
                          const std::unordered_set<weights::NodeId>& skip);

}  // namespace lamina::checkpoint

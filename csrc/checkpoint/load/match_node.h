#pragma once
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/load/catalog.h"
#include "checkpoint/load/match.h"
#include "weights/weight_tree.h"

namespace lamina::checkpoint {

/// What one group means to one object.
struct NodeMatch {
  std::vector<Assignment> assignments;
  std::optional<std::string> error;    ///< why the object cannot be loaded from it
  std::optional<std::string> warning;  ///< why it is passed over without an error (optimizers)
};

/// The checks of one object against one group: count, keys, types, shapes.
[[nodiscard]] NodeMatch match_node(const weights::WeightNode& node, const CatalogGroup& group);

}  // namespace lamina::checkpoint

#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/load/catalog.h"
#include "weights/weight_tree.h"

namespace lamina::checkpoint {

/// Finds what a user most likely meant: the group whose variables have the shapes that were wanted,
/// or else the one whose path is most like the path looked for.
class Nearest {
 public:
  explicit Nearest(const Catalog& catalog);

  /// Nothing when the checkpoint holds no group with variables.
  [[nodiscard]] const CatalogGroup* find(const weights::WeightNode& node,
                                         const std::string& path) const;

 private:
  [[nodiscard]] static const CatalogGroup* closest(
      const std::vector<const CatalogGroup*>& candidates, const std::string& path);

  std::map<std::string, CatalogGroup> groups_;
  std::map<std::string, std::vector<const CatalogGroup*>> by_shapes_;
  std::map<std::string, std::vector<const CatalogGroup*>, std::less<>> by_class_;
};

}  // namespace lamina::checkpoint

#pragma once
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "h5/write/layout.h"

namespace lamina::h5 {

/// A file's groups as links of one another, those included that only lead to others.
class LayoutTree {
 public:
  struct Child {
    std::string_view name;
    bool is_group;
    std::size_t index;  ///< in `groups` or `datasets`
  };
  struct Group {
    std::string_view path;               ///< "" for the root
    const LayoutGroup* given = nullptr;  ///< null when it only leads to others
    std::vector<Child> children;         ///< in the order of their making
  };

  /// `given` lives as long as the tree. Throws FormatError for a name that HDF5 cannot hold, or
  /// that two objects of a group have.
  explicit LayoutTree(const std::vector<LayoutGroup>& given);

  std::vector<Group> groups;  ///< the root, then the others in the order of their making
  std::vector<const LayoutDataset*> datasets;  ///< group by group, in the order given

 private:
  void add(const LayoutGroup& group);
  void add(std::size_t group, const LayoutDataset& dataset);
  std::size_t find_or_make(std::string_view path);
  void link(std::size_t parent, Child child);

  std::unordered_map<std::string_view, std::size_t> by_path_;
  std::deque<std::string> paths_;  // of keys that are paths themselves
};

}  // namespace lamina::h5

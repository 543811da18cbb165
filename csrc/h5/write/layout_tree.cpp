#include "h5/write/layout_tree.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include "h5/format.h"

namespace lamina::h5 {
namespace {

constexpr std::size_t kMostDimensions = 32;  // H5S_MAX_RANK

bool can_be_name(std::string_view name) {
  return !name.empty() && name != "." && name.size() <= kLongestName &&
         name.find('\0') == std::string_view::npos;
}

[[noreturn]] void raise_twice(std::string_view path) {
  throw FormatError(fmt::format("'{}' cannot be made: an object of that name exists.", path));
}

}  // namespace

LayoutTree::LayoutTree(const std::vector<LayoutGroup>& given) {
  std::size_t dataset_count = 0;
  for (const LayoutGroup& group : given) dataset_count += group.datasets.size();
  datasets.reserve(dataset_count);
  groups.reserve(2 * given.size() + 1);  // of a layer and its `vars`
  by_path_.reserve(2 * given.size() + 1);
  groups.emplace_back();
  by_path_.emplace("", 0);
  for (const LayoutGroup& group : given) add(group);
}

void LayoutTree::add(const LayoutGroup& group) {
  const std::size_t id = find_or_make(group.path);
  if (groups[id].given != nullptr) raise_twice(group.path);
  groups[id].given = &group;
  groups[id].children.reserve(groups[id].children.size() + group.datasets.size());
  for (const LayoutDataset& dataset : group.datasets) add(id, dataset);
}

void LayoutTree::add(std::size_t group, const LayoutDataset& dataset) {
  if (dataset.shape.rank() > kMostDimensions) {
    throw FormatError(fmt::format("'{}/{}' has the shape {}: HDF5 has at most {} dimensions.",
                                  groups[group].path, dataset.key, dataset.shape.str(),
                                  kMostDimensions));
  }
  std::string_view name = dataset.key;
  if (const std::size_t slash = name.rfind('/'); slash != std::string_view::npos) {
    // As HDF5 takes it: the key is a path from the group on.
    const std::string& path =
        paths_.emplace_back(fmt::format("{}/{}", groups[group].path, dataset.key));
    group = find_or_make(std::string_view(path).substr(0, path.size() - (name.size() - slash)));
    name = name.substr(slash + 1);
  }
  link(group, {name, false, datasets.size()});
  datasets.push_back(&dataset);
}

std::size_t LayoutTree::find_or_make(std::string_view path) {
  if (const auto found = by_path_.find(path); found != by_path_.end()) return found->second;
  // From the end, since most paths differ there; each part is one step shorter, so this ends.
  std::vector<std::size_t> ends;
  std::size_t parent = 0;
  for (std::size_t end = path.size();; end = path.rfind('/', end - 1)) {
    if (end == std::string_view::npos) {
      throw FormatError(fmt::format("'{}' is no absolute path.", path));
    }
    if (const auto found = by_path_.find(path.substr(0, end)); found != by_path_.end()) {
      parent = found->second;
      break;
    }
    ends.push_back(end);
  }
  for (; !ends.empty(); ends.pop_back()) {
    const std::string_view whole = path.substr(0, ends.back());
    const std::size_t id = groups.size();
    link(parent, {whole.substr(groups[parent].path.size() + 1), true, id});
    groups.push_back({whole, nullptr, {}});
    by_path_.emplace(whole, id);
    parent = id;
  }
  return parent;
}

void LayoutTree::link(std::size_t parent, Child child) {
  if (!can_be_name(child.name)) {
    throw FormatError(
        fmt::format("HDF5 holds names of 1 to {} bytes, none of them zero, and not '.': it cannot "
                    "hold '{}/{}'.",
                    kLongestName, groups[parent].path, child.name));
  }
  groups[parent].children.push_back(child);
}

}  // namespace lamina::h5

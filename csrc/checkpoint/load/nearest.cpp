#include "checkpoint/load/nearest.h"

#include <algorithm>

namespace lamina::checkpoint {
namespace {

constexpr std::size_t kMostCandidates = 256;  // bounds the work that a large file can cause

std::string shapes_of(const weights::WeightNode& node) {
  std::string out;
  for (const auto& variable : node.variables)
    out += variable.key + variable.variable->shape().str();
  return out;
}

std::string shapes_of(const CatalogGroup& group) {
  std::string out;
  for (const auto& [key, item] : group.items) out += key + item.dataset->shape.str();
  return out;
}

/// "dense" for "/layers/dense_3/vars".
std::string_view class_of(std::string_view path) {
  path = path.substr(0, path.rfind('/'));
  if (path.find('/') != path.npos) path.remove_prefix(path.rfind('/') + 1);
  const std::size_t digits = path.find_last_not_of("0123456789");
  if (digits != path.npos && digits + 1 < path.size() && path[digits] == '_')
    path = path.substr(0, digits);
  return path;
}

std::size_t likeness(std::string_view a, std::string_view b) {
  const std::size_t shorter = std::min(a.size(), b.size());
  std::size_t front = 0, back = 0;
  while (front < shorter && a[front] == b[front]) ++front;
  while (back < shorter - front && a[a.size() - 1 - back] == b[b.size() - 1 - back]) ++back;
  return front + back;
}

void add(std::vector<const CatalogGroup*>& candidates, const CatalogGroup& group) {
  if (candidates.size() < kMostCandidates) candidates.push_back(&group);
}

}  // namespace

Nearest::Nearest(const Catalog& catalog) : groups_(catalog.all()) {
  for (const auto& [path, group] : groups_) {
    if (group.items.empty()) continue;
    add(by_shapes_[shapes_of(group)], group);
    add(by_class_[std::string(class_of(path))], group);
    add(by_class_[""], group);
  }
}

const CatalogGroup* Nearest::find(const weights::WeightNode& node, const std::string& path) const {
  if (const auto same = by_shapes_.find(shapes_of(node)); same != by_shapes_.end()) {
    return closest(same->second, path);
  }
  if (const auto like = by_class_.find(class_of(path)); like != by_class_.end()) {
    return closest(like->second, path);
  }
  const auto any = by_class_.find("");
  return any == by_class_.end() ? nullptr : closest(any->second, path);
}

const CatalogGroup* Nearest::closest(const std::vector<const CatalogGroup*>& candidates,
                                     const std::string& path) {
  return *std::max_element(candidates.begin(), candidates.end(), [&](const auto* a, const auto* b) {
    return likeness(a->path, path) < likeness(b->path, path);
  });
}

}  // namespace lamina::checkpoint

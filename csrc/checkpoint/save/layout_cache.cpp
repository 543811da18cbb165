#include "checkpoint/save/layout_cache.h"

#include <cstring>

#include "core/per_process.h"

namespace lamina::checkpoint {
namespace {

constexpr std::size_t kProcessBytes = std::size_t{32} << 20;

template <class T>
void append(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append(std::string& out, const std::string& text) {
  append(out, text.size());
  out.append(text);
}

/// Everything that a layout depends on, in a form that no other structure has.
std::string structure_of(const std::vector<h5::LayoutGroup>& groups, bool align) {
  std::string out;
  append(out, align);
  for (const h5::LayoutGroup& group : groups) {
    append(out, group.path);
    append(out, group.name);
    append(out, group.has_name);
    append(out, group.datasets.size());
    for (const h5::LayoutDataset& dataset : group.datasets) {
      append(out, dataset.key);
      append(out, dataset.dtype);
      append(out, dataset.shape.rank());
      for (const std::int64_t dim : dataset.shape) append(out, dim);
    }
  }
  return out;
}

std::size_t size_of(const h5::Layout& layout) {
  std::size_t sum = layout.metadata.size();
  for (const auto& offsets : layout.offsets) {
    // NOLINTNEXTLINE(bugprone-sizeof-container): its own bytes are meant
    sum += sizeof offsets + offsets.size() * sizeof offsets[0];
  }
  return sum;
}

}  // namespace

std::shared_ptr<const h5::Layout> LayoutCache::get(const std::vector<h5::LayoutGroup>& groups,
                                                   bool align) {
  std::string structure = structure_of(groups, align);
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = found_.find(structure); it != found_.end()) {
      entries_.splice(entries_.begin(), entries_, it->second);
      return it->second->layout;
    }
    ++misses_;
  }
  auto layout = std::make_shared<const h5::Layout>(h5::make_layout(groups, align));
  keep(std::move(structure), layout);
  return layout;
}

void LayoutCache::keep(std::string structure, std::shared_ptr<const h5::Layout> layout) {
  const std::size_t bytes = structure.size() + size_of(*layout);
  const std::lock_guard lock(mutex_);
  if (bytes > max_bytes_ || found_.contains(structure)) return;
  entries_.push_front({std::move(structure), std::move(layout), bytes});
  found_.emplace(entries_.front().structure, entries_.begin());
  bytes_ += bytes;
  while (bytes_ > max_bytes_) {
    bytes_ -= entries_.back().bytes;
    found_.erase(entries_.back().structure);
    entries_.pop_back();
  }
}

void LayoutCache::clear() {
  const std::lock_guard lock(mutex_);
  found_.clear();
  entries_.clear();
  bytes_ = 0;
}

std::size_t LayoutCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

std::size_t LayoutCache::misses() const {
  const std::lock_guard lock(mutex_);
  return misses_;
}

LayoutCache& layout_cache() {
  return core::PerProcess<LayoutCache, kProcessBytes>::get();
}

}  // namespace lamina::checkpoint

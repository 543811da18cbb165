#pragma once
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "h5/write/layout.h"

namespace lamina::checkpoint {

/// The layouts of the shards saved last. A training loop saves one structure again and again, whose
/// layout is always the same bytes. Safe for use by several threads.
class LayoutCache {
 public:
  explicit LayoutCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  /// The layout of `groups`: kept from before when paths, names, shapes, dtypes and `align` are all
  /// the same, else made, and kept if it is no larger than the cache. Throws what h5::make_layout
  /// throws.
  [[nodiscard]] std::shared_ptr<const h5::Layout> get(const std::vector<h5::LayoutGroup>& groups,
                                                      bool align = true);

  /// Forgets everything, as if nothing had been saved before.
  void clear();
  /// Bytes that are kept, structures included.
  [[nodiscard]] std::size_t bytes() const;
  /// Layouts that had to be made so far.
  [[nodiscard]] std::size_t misses() const;

 private:
  struct Entry {
    std::string structure;
    std::shared_ptr<const h5::Layout> layout;
    std::size_t bytes;
  };

  void keep(std::string structure, std::shared_ptr<const h5::Layout> layout);

  const std::size_t max_bytes_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> found_;
  std::size_t bytes_ = 0, misses_ = 0;
};

/// The process's cache (see core/per_process.h): 32 MiB, some 25,000 variables in layers of two.
[[nodiscard]] LayoutCache& layout_cache();

}  // namespace lamina::checkpoint

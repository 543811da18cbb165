#include "checkpoint/verify/check.h"

#include <lamina/error.h>

#include <algorithm>

#include "checkpoint/load/catalog.h"
#include "checkpoint/load/seals.h"
#include "checkpoint/verify/damage.h"
#include "checkpoint/verify/verify.h"

namespace lamina::checkpoint {
namespace {

bool lies_within_file(const CatalogItem& item) {
  if (!item.dataset->offset) return true;
  const std::uint64_t start = item.reader->base() + *item.dataset->offset;
  const std::uint64_t size = item.reader->file().size();
  return start <= size && item.dataset->nbytes <= size - start;
}

}  // namespace

bool is_readable(const std::filesystem::path& checkpoint, storage::Storage& storage) {
  try {
    const Catalog catalog(checkpoint, storage, true);
    const Seals seals(catalog);
    for (const auto& [path, group] : catalog.all()) {
      (void)catalog.find(path);  // throws for what a load would refuse
      for (const auto& [key, item] : group.items) {
        if (!item.dataset->problem.empty() || !lies_within_file(item)) return false;
      }
    }
    return catalog.problems().empty();
  } catch (const Error& error) {
    if (!tells_damage(error)) throw;
    return false;
  }
}

bool is_sound(const std::filesystem::path& checkpoint, storage::Storage& storage) {
  return damage_of(checkpoint, {}, storage).empty();
}

}  // namespace lamina::checkpoint

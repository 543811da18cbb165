#include "checkpoint/verify/soundness.h"

#include <lamina/error.h>

#include "checkpoint/load/catalog.h"
#include "checkpoint/load/seals.h"
#include "checkpoint/verify/verify.h"

namespace lamina::checkpoint {

std::string damage_of(const std::filesystem::path& checkpoint,
                      const std::function<void(std::uint64_t, std::uint64_t)>& progress,
                      storage::Storage& storage) {
  try {
    const VerifyReport report = verify(checkpoint, progress, storage);
    if (report.failure) std::rethrow_exception(report.failure);
    return report.problems.empty() ? "" : report.problems.front();
  } catch (const Error& error) {
    if (!tells_damage(error)) throw;
    return error.what();
  }
}

bool is_readable(const std::filesystem::path& checkpoint, storage::Storage& storage) {
  try {
    const Catalog catalog(checkpoint, storage, true);
    const Seals seals(catalog);
    for (const auto& [path, group] : catalog.all()) {
      (void)catalog.find(path);  // throws for what a load would refuse
      for (const auto& [key, item] : group.items) {
        if (!item.dataset->problem.empty() || !item.fits_file()) return false;
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

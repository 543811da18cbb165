#include "checkpoint/verify/damage.h"

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

}  // namespace lamina::checkpoint

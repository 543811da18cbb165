#include "checkpoint/damage.h"

#include <lamina/error.h>

#include "checkpoint/verify.h"

namespace lamina::checkpoint {

std::string damage_of(const std::filesystem::path& checkpoint,
                      const std::function<void(std::uint64_t, std::uint64_t)>& progress,
                      storage::Storage& storage) {
  try {
    const VerifyReport report = verify(checkpoint, progress, storage);
    return report.problems.empty() ? "" : report.problems.front();
  } catch (const FormatError& error) {
    return error.what();
  } catch (const FileNotFoundError& error) {
    return error.what();
  }
}

}  // namespace lamina::checkpoint

#include "checkpoint/restore_newest.h"

#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/log.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <unordered_set>
#include <vector>

#include "checkpoint/verify.h"

namespace lamina::checkpoint {
namespace {

using Steps = std::vector<std::int64_t>;

/// Of an error that a checkpoint which is removed while it is read may give, even one whose files
/// another machine removes.
bool tells_of_files(const Error& error) {
  return tells_damage(error) || dynamic_cast<const StorageError*>(&error) != nullptr;
}

class Restoring {
 public:
  Restoring(const StepDirectories& directories,
            const std::function<void(const std::filesystem::path&)>& load)
      : directories_(directories), load_(load) {}

  std::optional<std::int64_t> run() {
    constexpr int kAttempts = 1000;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const Steps steps = now_ ? std::move(*now_) : directories_.steps();
      now_.reset();
      const std::optional<std::int64_t> restored = newest_of(steps);
      if (!now_) return restored;
    }
    throw StorageError(fmt::format("Each of the {} times that the newest checkpoint was to be "
                                   "restored, another process had removed one, such as '{}'.",
                                   kAttempts, gone_.string()),
                       EAGAIN);
  }

 private:
  /// Stops at a step that is not there any more.
  std::optional<std::int64_t> newest_of(const Steps& steps) {
    std::exception_ptr newest;
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
      try {
        load_(directories_.file(*step));
        return *step;
      } catch (const Error& error) {
        if (tells_of_files(error) && is_gone(*step)) return {};
        // What does not say that the files are at fault is no reason to go back to older ones.
        if (!tells_damage(error)) throw;
        skip(*step, error);
        if (!newest) newest = std::current_exception();
      }
    }
    if (newest) std::rethrow_exception(newest);
    return {};
  }

  bool is_gone(std::int64_t step) {
    Steps now = directories_.steps();
    if (std::find(now.begin(), now.end(), step) != now.end()) return false;
    now_ = std::move(now);
    gone_ = directories_.new_file(step);
    return true;
  }

  /// Warns of a step once, however often it is met.
  void skip(std::int64_t step, const Error& error) {
    if (!skipped_.insert(step).second) return;
    warn(fmt::format("The checkpoint of step {} was skipped: {}", step, error.what()));
  }

  const StepDirectories& directories_;
  const std::function<void(const std::filesystem::path&)>& load_;
  std::optional<Steps> now_;  // once a step has gone: those there are
  std::filesystem::path gone_;
  std::unordered_set<std::int64_t> skipped_;
};

}  // namespace

std::optional<std::int64_t> restore_newest(
    const StepDirectories& directories,
    const std::function<void(const std::filesystem::path&)>& load) {
  return Restoring(directories, load).run();
}

}  // namespace lamina::checkpoint

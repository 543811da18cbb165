#include "checkpoint/steps/restore_newest.h"

#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/log.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <memory>
#include <unordered_set>
#include <vector>

#include "checkpoint/verify/verify.h"

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
      changed_.clear();
      const std::optional<std::int64_t> restored = newest_of(directories_.settled_steps());
      if (changed_.empty()) return restored;
    }
    throw StorageError(
        fmt::format("Each of the {} times that the newest checkpoint was to be restored, another "
                    "process had removed or replaced one, such as '{}'.",
                    kAttempts, changed_.string()),
        EAGAIN);
  }

 private:
  /// Stops at a step that is not there any more, or is another by now.
  std::optional<std::int64_t> newest_of(const Steps& steps) {
    std::exception_ptr newest;
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
      std::unique_ptr<storage::ReadableFile> first;
      try {
        first = directories_.open(*step);
        load_(directories_.file(*step));
        return *step;
      } catch (const Error& error) {
        if (tells_of_files(error) && has_changed(*step, first.get(), error)) {
          changed_ = directories_.new_file(*step);
          return {};
        }
        // What does not say that the files are at fault is no reason to go back to older ones.
        if (!tells_damage(error)) throw;
        skip(*step, error);
        if (!newest) newest = std::current_exception();
      }
    }
    if (newest) std::rethrow_exception(newest);
    return {};
  }

  /// `first` is what the step's file was before `error`; null when that could not be opened.
  bool has_changed(std::int64_t step, const storage::ReadableFile* first, const Error& error) {
    if (first != nullptr) return first->is_replaced();
    // Where names cannot change places, a step that is replaced has none for a moment.
    if (dynamic_cast<const FileNotFoundError*>(&error) != nullptr) return true;
    const Steps now = directories_.steps();
    return std::find(now.begin(), now.end(), step) == now.end();
  }

  /// Warns of a step once, however often it is met.
  void skip(std::int64_t step, const Error& error) {
    if (!skipped_.insert(step).second) return;
    warn(fmt::format("The checkpoint of step {} was skipped: {}", step, error.what()));
  }

  const StepDirectories& directories_;
  const std::function<void(const std::filesystem::path&)>& load_;
  std::filesystem::path changed_;  // in the last attempt; empty: nothing
  std::unordered_set<std::int64_t> skipped_;
};

}  // namespace

std::optional<std::int64_t> restore_newest(
    const StepDirectories& directories,
    const std::function<void(const std::filesystem::path&)>& load) {
  return Restoring(directories, load).run();
}

}  // namespace lamina::checkpoint

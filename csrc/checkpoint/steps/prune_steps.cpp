#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/log.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <functional>
#include <iterator>
#include <utility>

#include "checkpoint/commit/hidden_names.h"
#include "checkpoint/steps/read_back.h"
#include "checkpoint/steps/step_directories.h"
#include "checkpoint/steps/step_names.h"
#include "checkpoint/verify/soundness.h"

// Which steps are not to be kept, and their removal: 7 of step_directories.cpp.
namespace lamina::checkpoint {
namespace {

using std::filesystem::path;

constexpr std::int64_t kNothingSaved = -1;

std::vector<std::int64_t> unwanted(std::vector<std::int64_t> steps, const KeepRule& keep) {
  if (keep.newest == 0 || steps.size() <= keep.newest) return {};
  steps.resize(steps.size() - keep.newest);
  std::erase_if(steps,
                [&](std::int64_t step) { return keep.every_n > 0 && step % keep.every_n == 0; });
  return steps;
}

}  // namespace

bool StepDirectories::is_good(std::int64_t step, const Saved& saved) const {
  if (step != saved.step) return is_sound(file(step), storage_);
  // Written, and synced, by this save: its tensors need not be read again, and what else is in its
  // files only once of a layout.
  if (read_back_->has(saved.layout)) return true;
  if (!is_readable(file(step), storage_)) return false;
  read_back_->note(saved.layout);
  return true;
}

void StepDirectories::warn_of_newer(std::int64_t newest, const KeepRule& keep,
                                    const Saved& saved) const {
  warn(fmt::format(
      "'{}' holds newer steps than {}, which was saved just now: restoring the latest restores "
      "step {}, and as only the newest {} stay, the next save removes step {}. To go on from the "
      "older step, remove the newer ones.",
      directory_.string(), saved.step, newest, keep.newest, saved.step));
}

void StepDirectories::prune(const KeepRule& keep, const Saved& saved) const {
  const std::vector<std::int64_t> all = steps();
  std::vector<std::int64_t> going = unwanted(all, keep);
  // What was saved just now is there when the save returns.
  const bool is_older = std::erase(going, saved.step) > 0;
  remove_but_for_newest(all, std::move(going), saved);
  if (is_older) warn_of_newer(all.back(), keep, saved);
}

std::exception_ptr StepDirectories::prune_before(std::int64_t step,
                                                 const KeepRule& keep) const noexcept {
  if (keep.newest == 0) return nullptr;
  try {
    const std::vector<std::int64_t> all = steps();
    std::vector<std::int64_t> going = unwanted(all, keep);
    // A run that went back to an older step has the one before this; this one is to be replaced.
    const auto from_here = std::lower_bound(all.begin(), all.end(), step);
    if (from_here != all.begin()) std::erase(going, *std::prev(from_here));
    std::erase(going, step);
    remove_but_for_newest(all, std::move(going), {kNothingSaved, nullptr});
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

void StepDirectories::remove_but_for_newest(const std::vector<std::int64_t>& all,
                                            std::vector<std::int64_t> going,
                                            const Saved& saved) const {
  if (going.empty()) return;
  // Whatever the rule says, the newest one that verifies stays, and nothing goes without it.
  const auto newest = std::find_if(all.rbegin(), all.rend(),
                                   [&](std::int64_t step) { return is_good(step, saved); });
  if (newest == all.rend()) return;
  std::erase(going, *newest);
  if (going.empty()) return;
  std::vector<std::pair<std::int64_t, path>> hidden;
  std::exception_ptr hindrance;
  const auto attempt = [&](const std::function<void()>& action) {
    try {
      action();
    } catch (const StorageError&) {
      if (!hindrance) hindrance = std::current_exception();
    }
  };
  for (const std::int64_t step : going) attempt([&] { hidden.emplace_back(step, hide(step)); });
  if (!hidden.empty()) storage_.sync_directory(directory_);
  for (const auto& each : hidden) attempt([&] { remove_or_show(each.first, each.second); });
  if (hindrance) std::rethrow_exception(hindrance);
}

void StepDirectories::remove_or_show(std::int64_t step, const path& hidden) const {
  std::vector<std::string> names;
  try {
    names = storage_.list(hidden);
    storage::remove_all(hidden, storage_);
  } catch (...) {
    quietly([&] {
      const bool is_whole = names.empty() || storage_.list(hidden) == names;
      if (is_whole && !storage_.exists(at(step))) storage_.rename(hidden, at(step));
    });
    throw;
  }
}

path StepDirectories::hide(std::int64_t step) const {
  path hidden = directory_ / hidden_step(step, make_save_name(), Hidden::kRemoved);
  try {
    storage_.rename(at(step), hidden);
    return hidden;
  } catch (const StorageError& error) {
    if (error.code() != EXDEV) throw;
  }
  while (const auto file = find_file(step)) storage_.remove(*file);
  storage_.sync_directory(at(step));
  return at(step);
}

}  // namespace lamina::checkpoint

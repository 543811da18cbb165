#include "checkpoint/steps/recover_directory.h"

#include <lamina/error.h>

#include <algorithm>

#include "checkpoint/commit/hidden_names.h"
#include "checkpoint/commit/leftovers.h"
#include "checkpoint/commit/recovery.h"
#include "checkpoint/commit/recovery_record.h"
#include "checkpoint/steps/step_directories.h"

namespace lamina::checkpoint {
namespace {

using std::filesystem::path;
using storage::Storage;

void recover_one(const path& checkpoint, Recovery& out, Storage& storage) {
  const CheckpointPlace place(checkpoint);
  try {
    const auto lock = storage.try_lock(place.lock());
    if (!lock) {
      out.in_use.push_back(place.name);
      return;
    }
    if (!storage.exists(place.record())) return;
    if (const auto record = read_record(place, storage)) {
      settle_locked(place, storage);
      out.finished.push_back(record->name);
    } else {  // torn
      storage.remove(place.record());
      out.removed.push_back(place.record().filename().string());
    }
  } catch (const Error& error) {
    out.problems.emplace_back(error.what());
  }
}

void recover_steps(const path& directory, Recovery& out, Storage& storage) {
  try {
    StepDirectories(directory, {}, storage).clean(out);
  } catch (const Error& error) {
    out.problems.emplace_back(error.what());
  }
}

}  // namespace

Recovery recover_directory(const path& directory, Storage& storage) {
  Recovery out;
  std::vector<std::string> names;
  for (const std::string& entry : storage.list(directory)) {
    for (const std::string_view name : {recorded_name(entry), locked_name(entry)}) {
      if (!name.empty()) names.emplace_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const std::string& name : names) recover_one(directory / name, out, storage);
  recover_steps(directory, out, storage);
  const auto removed = remove_leftovers(
      directory, {}, [](std::string_view) { return true; }, storage, out.problems);
  out.removed.insert(out.removed.end(), removed.begin(), removed.end());
  return out;
}

}  // namespace lamina::checkpoint

#include <fmt/format.h>
#include <lamina/error.h>

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "checkpoint/read_text.h"
#include "checkpoint/recovery.h"

namespace lamina::checkpoint {
namespace {

using std::filesystem::path;
using storage::Storage;

/// Says of hidden copies whether somebody still needs them. Made after they were listed: their save
/// took its lock before it made them, so a save that is not seen to hold one now is over.
class Needed {
 public:
  Needed(const path& directory, const std::string& own, Storage& storage) {
    for (const std::string& entry : storage.list(directory)) {
      const std::string locked(locked_name(entry)), recorded(recorded_name(entry));
      if (!locked.empty() && locked != own && !lock_is_free(directory / locked, storage)) {
        in_use_.push_back(locked);
      }
      if (!recorded.empty()) add_record(directory / recorded, storage);
    }
  }

  [[nodiscard]] bool operator()(const HiddenName& hidden) const {
    return saves_.contains(std::string(hidden.save)) ||
           std::any_of(in_use_.begin(), in_use_.end(),
                       [&](const std::string& name) { return belongs_to(hidden.file, name); });
  }

 private:
  static bool lock_is_free(const path& checkpoint, Storage& storage) {
    const auto lock = storage.try_lock(Place(checkpoint).lock());
    return lock && lock->exclusive();
  }

  void add_record(const path& checkpoint, Storage& storage) {
    const Place place(checkpoint);
    try {
      const auto record =
          parse_record(read_text(place.record(), storage), place.name, place.record().string());
      if (record) saves_.insert(record->save);
    } catch (const FormatError&) {
      in_use_.push_back(place.name);  // another version's, for all that is known
    } catch (const FileNotFoundError&) {
    }
  }

  std::vector<std::string> in_use_;
  std::unordered_set<std::string> saves_;
};

void recover_one(const path& checkpoint, Recovery& out, Storage& storage) {
  const Place place(checkpoint);
  const auto lock = storage.try_lock(place.lock());
  if (!lock) {
    out.in_use.push_back(place.name);
    return;
  }
  if (!storage.exists(place.record())) return;
  try {
    settle_locked(place, storage);
    if (storage.exists(place.record())) {  // torn
      storage.remove(place.record());
      out.removed.push_back(place.record().filename().string());
    } else {
      out.finished.push_back(place.name);
    }
  } catch (const Error& error) {
    out.problems.emplace_back(error.what());
  }
}

}  // namespace

std::vector<std::string> remove_leftovers(const path& directory, const std::string& own,
                                          const std::function<bool(std::string_view)>& wanted,
                                          Storage& storage) {
  std::vector<std::string> found = storage.list(directory);
  std::erase_if(found, [&](const std::string& entry) {
    const auto hidden = parse_hidden_name(entry);
    return !hidden || !wanted(hidden->file);
  });
  if (found.empty()) return found;
  const Needed needed(directory, own, storage);
  std::erase_if(found, [&](const std::string& e) { return needed(*parse_hidden_name(e)); });
  for (const std::string& entry : found) {
    try {
      storage.remove(directory / entry);
    } catch (const FileNotFoundError&) {
    }
  }
  return found;
}

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
  const auto removed = remove_leftovers(
      directory, {}, [](std::string_view) { return true; }, storage);
  out.removed.insert(out.removed.end(), removed.begin(), removed.end());
  return out;
}

}  // namespace lamina::checkpoint

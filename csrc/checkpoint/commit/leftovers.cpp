#include "checkpoint/commit/leftovers.h"

#include <lamina/error.h>

#include <algorithm>
#include <set>
#include <unordered_set>

#include "checkpoint/commit/hidden_names.h"
#include "checkpoint/commit/recovery_record.h"

namespace lamina::checkpoint {
namespace {

using std::filesystem::path;
using storage::Storage;

/// Says of hidden copies whether somebody still needs them. Made after they were listed: their save
/// took its lock before it made them, so a save that is not seen to hold one now is over.
class Needed {
 public:
  Needed(const path& directory, const std::vector<std::string>& copies, const std::string& own,
         Storage& storage)
      : storage_(storage) {
    std::set<std::string> locked;
    std::vector<std::string> others;
    for (const std::string& entry : storage.list(directory)) {
      const std::string recorded(recorded_name(entry));
      if (!recorded.empty()) add_record(directory / recorded);
      if (!locked_name(entry).empty()) {
        locked.emplace(locked_name(entry));
      } else if (!any_locked_name(entry).empty()) {
        others.emplace_back(any_locked_name(entry));
      }
    }
    // A file that is saved by way of a link may be called anything.
    for (std::string& other : others) {
      const bool has_copy = std::any_of(copies.begin(), copies.end(), [&](const auto& copy) {
        return is_or_stands_for(parse_hidden_name(copy)->file, other);
      });
      if (has_copy) locked.insert(std::move(other));
    }
    const path own_lock = CheckpointPlace(directory / own).lock();
    for (const std::string& name : locked) {
      if (CheckpointPlace(directory / name).lock() != own_lock) add_lock(directory / name);
    }
  }

  [[nodiscard]] bool operator()(const HiddenName& hidden) const {
    return everything_ || saves_.contains(std::string(hidden.save)) ||
           std::any_of(in_use_.begin(), in_use_.end(),
                       [&](const std::string& name) { return belongs_to(hidden.file, name); });
  }

 private:
  void add_lock(const path& checkpoint) {
    const CheckpointPlace place(checkpoint);
    try {
      const auto lock = storage_.try_lock(place.lock());
      if (lock && lock->exclusive()) {
        // Its holder may have died since the directory was listed, and have left a record.
        if (!recorded_name(place.record().filename().string()).empty()) add_record(checkpoint);
        return;
      }
    } catch (const StorageError&) {  // for all that is known
    }
    add_in_use(place.name);
  }

  /// What the shards of an index are called does not show in its stand-in.
  void add_in_use(const std::string& name) {
    in_use_.push_back(name);
    everything_ = everything_ || (is_stand_in(name) && name.ends_with(".json"));
  }

  void add_record(const path& checkpoint) {
    const CheckpointPlace place(checkpoint);
    try {
      if (const auto record = read_record(place, storage_)) saves_.insert(record->save);
    } catch (const Error&) {
      add_in_use(place.name);  // another version's, or not to be read: for all that is known
    }
  }

  Storage& storage_;
  bool everything_ = false;
  std::vector<std::string> in_use_;
  std::unordered_set<std::string> saves_;
};

}  // namespace

std::vector<std::string> remove_leftovers(const path& directory, const std::string& own,
                                          const std::function<bool(std::string_view)>& wanted,
                                          Storage& storage, std::vector<std::string>& problems) {
  std::vector<std::string> found = storage.list(directory);
  std::erase_if(found, [&](const std::string& entry) {
    const auto hidden = parse_hidden_name(entry);
    return !hidden || !wanted(hidden->file);
  });
  if (found.empty()) return found;
  const Needed needed(directory, found, own, storage);
  std::erase_if(found, [&](const std::string& e) { return needed(*parse_hidden_name(e)); });
  std::erase_if(found, [&](const std::string& entry) {
    try {
      storage.remove(directory / entry);
    } catch (const FileNotFoundError&) {
    } catch (const StorageError& error) {
      problems.emplace_back(error.what());
      return true;
    }
    return false;
  });
  return found;
}

}  // namespace lamina::checkpoint

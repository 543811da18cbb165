#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/storage.h"

namespace lamina::checkpoint {

/// Removes hidden copies that saves which died have left, of the files that `wanted` chooses; those
/// of the checkpoint `own` are known to be dead, as the caller holds its lock. Returns their names.
/// Adds to `problems` why one could not be removed: it may be somebody else's, and is in nobody's
/// way.
std::vector<std::string> remove_leftovers(const std::filesystem::path& directory,
                                          const std::string& own,
                                          const std::function<bool(std::string_view)>& wanted,
                                          storage::Storage& storage,
                                          std::vector<std::string>& problems);

}  // namespace lamina::checkpoint

#include "checkpoint/save/save_files.h"

#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/log.h>

#include <algorithm>
#include <cerrno>
#include <unordered_set>

#include "checkpoint/commit/hidden_names.h"
#include "checkpoint/index/index.h"

namespace lamina::checkpoint {

using std::filesystem::path;

namespace {

/// What an index says; nothing of what is none, or none that we understand.
Index known_index(const path& index, storage::Storage& storage) {
  try {
    return parse_index(read_index(index, storage), index.string());
  } catch (const FormatError&) {
    return {};
  } catch (const FileNotFoundError&) {
    return {};
  }
}

bool lists(const Index& index, const std::string& file) {
  return std::any_of(index.entries.begin(), index.entries.end(), [&](const IndexEntry& entry) {
    return std::find(entry.files.begin(), entry.files.end(), file) != entry.files.end();
  });
}

/// Who took the right to write to a shard away did not mean that a save of fewer may remove it.
bool may_go(const path& shard, storage::Storage& storage) {
  if (!storage.is_write_protected(shard)) return true;
  warn(
      fmt::format("'{}' is a shard of the checkpoint that is replaced and of none any more, and "
                  "stays, as it may not be written to.",
                  shard.string()));
  return false;
}

}  // namespace

path SaveFiles::checkpoint() const {
  return directory / (index.empty() ? shards.front() : index);
}

SaveFiles files_of(const SaveTarget& target, std::size_t shards) {
  const path file = target.sharded ? target.file : resolved(target.file);
  SaveFiles out{file.parent_path(), {}, {}};
  if (!target.sharded) {
    out.shards.push_back(file.filename().string());
    return out;
  }
  out.index = file.filename().string();
  for (std::size_t i = 0; i < shards; ++i) out.shards.push_back(shard_name(shard_base(file), i));
  return out;
}

std::optional<path> in_the_way(const path& given, const SaveFiles& files,
                               storage::Storage& storage) {
  std::vector<path> guarded{given, files.directory / files.index};
  for (const std::string& shard : files.shards) guarded.push_back(files.directory / shard);
  for (const path& file : guarded) {
    if (file.has_filename() && storage.exists(file)) return file;
  }
  return {};
}

std::optional<path> index_with_shard(const SaveFiles& files, storage::Storage& storage,
                                     const Waiting& waiting) {
  if (!files.index.empty()) return {};
  const std::string& file = files.shards.front();
  const std::string base = file.substr(0, file.rfind('_'));
  if (!is_shard_name(file, base)) return {};
  const path directory = CheckpointPlace(files.checkpoint()).directory;
  for (const std::string& entry : storage.list(directory)) {
    // The index may be all that a save that died had yet to put in place.
    const std::string_view recorded = recorded_name(entry);
    const path index = directory / (recorded.empty() ? std::string_view(entry) : recorded);
    if (!index.string().ends_with("weights.json") || shard_base(index) != base) continue;
    settle(index, storage, waiting);
    try {
      if (lists(known_index(index, storage), file)) return index;
    } catch (const StorageError& error) {
      // What is a directory, or a pipe, lists nothing.
      if (error.code() != EISDIR && error.code() != EINVAL) throw;
    }
  }
  return {};
}

std::vector<std::string> obsolete_shards(const SaveFiles& files, storage::Storage& storage) {
  const path index = files.directory / files.index;
  if (files.index.empty() || !storage.exists(index)) return {};
  const Index old = known_index(index, storage);
  std::unordered_set<std::string> seen(files.shards.begin(), files.shards.end());
  std::vector<std::string> obsolete;
  for (const IndexEntry& entry : old.entries) {
    for (const std::string& file : entry.files) {
      const bool is_ours = is_shard_name(file, shard_base(index));
      if (!seen.insert(file).second || !is_ours) continue;
      if (may_go(files.directory / file, storage)) obsolete.push_back(file);
    }
  }
  return obsolete;
}

}  // namespace lamina::checkpoint

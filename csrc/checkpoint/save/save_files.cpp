#include "checkpoint/save/save_files.h"

#include <lamina/error.h>

#include <unordered_set>

#include "checkpoint/index/index.h"

namespace lamina::checkpoint {

using std::filesystem::path;

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

std::vector<std::string> obsolete_shards(const SaveFiles& files, storage::Storage& storage) {
  const path index = files.directory / files.index;
  if (files.index.empty() || !storage.exists(index)) return {};
  Index old;
  try {
    old = parse_index(read_index(index, storage), index.string());
  } catch (const FormatError&) {
    return {};  // what is replaced is no index that we understand
  }
  std::unordered_set<std::string> seen(files.shards.begin(), files.shards.end());
  std::vector<std::string> obsolete;
  for (const IndexEntry& entry : old.entries) {
    for (const std::string& file : entry.files) {
      if (seen.insert(file).second && is_shard_name(file, shard_base(index)))
        obsolete.push_back(file);
    }
  }
  return obsolete;
}

}  // namespace lamina::checkpoint

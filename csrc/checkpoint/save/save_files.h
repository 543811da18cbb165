#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/commit/recovery.h"
#include "checkpoint/names/paths.h"
#include "storage/storage.h"

namespace lamina::checkpoint {

/// The files of one checkpoint, all in one directory.
struct SaveFiles {
  std::filesystem::path directory;
  std::vector<std::string> shards;
  std::string index;  ///< empty: a single file

  /// What is replaced as one: the index, or the single file.
  [[nodiscard]] std::filesystem::path checkpoint() const;
};

[[nodiscard]] SaveFiles files_of(const SaveTarget& target, std::size_t shards);

/// The file `given`, or a file of an older checkpoint that would go, shards too; nothing where
/// there is none.
[[nodiscard]] std::optional<std::filesystem::path> in_the_way(const std::filesystem::path& given,
                                                              const SaveFiles& files,
                                                              storage::Storage& storage);

/// The index beside the single file that has it for a shard, of those under which a save makes
/// shards of that name; nothing for shards of an index's own. Finishes a save of that index which
/// died putting it in place, and waits for one that lives, see `settle`. Throws StorageError, and
/// FormatError for a record that cannot be followed.
[[nodiscard]] std::optional<std::filesystem::path> index_with_shard(const SaveFiles& files,
                                                                    storage::Storage& storage,
                                                                    const Waiting& waiting = {});

/// Shards that the index to be replaced lists and the new one does not. Only names that a save
/// under this index's name makes: whatever else an index says, it is no leave to remove other
/// files. Those that are write-protected are to stay, with a warning.
[[nodiscard]] std::vector<std::string> obsolete_shards(const SaveFiles& files,
                                                       storage::Storage& storage);

}  // namespace lamina::checkpoint

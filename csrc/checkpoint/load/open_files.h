#pragma once
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/index/index_seal.h"
#include "h5/read/reader.h"
#include "storage/storage.h"

namespace lamina::checkpoint {

/// A checkpoint's HDF5 files: the single file, the member of an archive, or the shards that an
/// index lists, each once, in the order in which they are first listed.
struct OpenedFiles {
  bool sharded = false;
  Index index;                          ///< of shards
  std::optional<IndexSeal> index_seal;  ///< likewise
  std::vector<std::string> names;       ///< of the files that are open, without directory
  std::vector<h5::Reader> readers;      ///< of the same
  std::vector<std::string> known;       ///< of all files, also of those that could not be opened
  std::vector<std::exception_ptr> problems;  ///< of what could not be opened
};

struct OpenOptions {
  /// Goes on after a file, or an index, that is damaged or cannot be opened, and keeps why. Throws
  /// all the same for a single file, an archive or an index that cannot be opened.
  bool keep_problems = false;
  /// Opens the first shard, if it is there, also where no entry of the index lists it: it may hold
  /// groups without variables, of which an index says nothing.
  bool first_shard = false;
  /// Throws CorruptionError for an index that is not as it was saved.
  bool verify_index = false;
};

/// Opens the files of one save: when another puts its own in place meanwhile, those. Throws
/// ValueError for a name that is no checkpoint's, StorageError, FormatError.
[[nodiscard]] OpenedFiles open_files(const std::filesystem::path& checkpoint,
                                     storage::Storage& storage, const OpenOptions& options = {});

}  // namespace lamina::checkpoint

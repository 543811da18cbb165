#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/index/index_seal.h"
#include "h5/read/reader.h"
#include "storage/storage.h"

namespace lamina::checkpoint {

/// One dataset and the file that holds it.
struct CatalogItem {
  const h5::Dataset* dataset;
  const h5::Reader* reader;

  /// True when the file is long enough for it.
  [[nodiscard]] bool fits_file() const;
};

/// A `vars` group, from all the shards that hold a part of it.
struct CatalogGroup {
  std::string path;                          ///< as the file says it
  std::map<std::string, CatalogItem> items;  ///< by key
  std::size_t count = 0;                     ///< as Keras counts: a key in two shards is two
};

/// What a checkpoint holds, be it one file, an index with shards, or a member of an archive. Every
/// file is opened once.
class Catalog {
 public:
  /// Throws ValueError for a name that is none of these, FileNotFoundError, FormatError; with
  /// `verify` CorruptionError for an index that is not as it was saved.
  Catalog(const std::filesystem::path& path, storage::Storage& storage, bool verify = false);

  /// The group of an object by Keras's rules: at its path, else where Keras 2.13 put it; of a
  /// sharded checkpoint only what the index lists. Empty when there is none. Throws FormatError for
  /// links and datasets that may not be followed.
  [[nodiscard]] CatalogGroup find(const std::string& vars_path) const;
  /// True when something lies below a path ("/blocks/container").
  [[nodiscard]] bool has_below(const std::string& path) const;
  /// All groups with their datasets, by path: for naming what is near and what is not used.
  [[nodiscard]] std::map<std::string, CatalogGroup> all() const;
  /// The paths of all groups that have datasets, sorted, each once.
  [[nodiscard]] std::vector<std::string_view> all_paths() const;
  /// What `all` could not look into, one line each.
  [[nodiscard]] std::vector<std::string> problems() const;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] bool sharded() const noexcept { return sharded_; }
  /// Of its HDF5 files, each once.
  [[nodiscard]] const std::vector<h5::Reader>& readers() const noexcept { return readers_; }
  [[nodiscard]] const std::optional<IndexSeal>& index_seal() const noexcept { return index_seal_; }

 private:
  [[nodiscard]] const std::vector<std::size_t>* listed(const std::string& vars_path) const;

  std::filesystem::path path_;
  bool sharded_ = false;
  std::optional<IndexSeal> index_seal_;
  std::vector<h5::Reader> readers_;
  std::vector<std::string> paths_;  // of the groups that may be asked for, sorted
  std::map<std::string, std::vector<std::size_t>, std::less<>> weight_map_;  // group -> readers
};

}  // namespace lamina::checkpoint

#pragma once
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/storage.h"

namespace lamina::checkpoint {

/// One line of the index's `weight_map`: which shards hold variables of a group.
struct IndexEntry {
  std::string path;                ///< "/layers/dense/vars"
  std::vector<std::string> files;  ///< distinct, in order of writing
  bool as_list = false;            ///< Keras: a string for one variable, a list for more
};

/// The JSON file beside a sharded checkpoint.
struct Index {
  bool any_variable = false;
  double total_size = 0;
  std::vector<IndexEntry> entries;
};

/// The text that Keras writes, to the byte, but for `more` at the end of its `metadata`.
[[nodiscard]] std::string index_text(const Index& index, std::string_view more = {});

/// Larger than this no index of a real model is; text from strangers is refused beyond it.
inline constexpr std::size_t kLargestIndex = std::size_t{16} << 20;

/// More shards than this it does not list.
inline constexpr std::size_t kMostFiles = std::size_t{1} << 16;

/// A whole index file, still to be parsed. Throws FormatError when it is larger than that.
[[nodiscard]] std::string read_index(const std::filesystem::path& path, storage::Storage& storage);

/// Reads an index that nobody vouches for: sizes, nesting and file names are checked (a shard lies
/// in the index's own directory). `source` is named in messages. Throws FormatError.
[[nodiscard]] Index parse_index(std::string_view text, const std::string& source);

}  // namespace lamina::checkpoint

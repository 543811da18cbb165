#pragma once
#include <lamina/tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/index/index_seal.h"
#include "checkpoint/seal/sealed_file.h"
#include "h5/read/reader.h"

namespace lamina::cli {

/// A variable as a checkpoint stores it.
struct StoredVariable {
  std::string key;
  h5::Dataset dataset;
  std::size_t file = 0;  ///< which of `StoredWeights::files()` holds it

  /// The dtype, or how the file describes a type that Lamina lacks.
  [[nodiscard]] std::string type_name() const;
};

/// A `vars` group, put together from all shards that have a part of it.
struct StoredGroup {
  std::string path;  ///< "/layers/dense/vars"
  std::optional<std::string> name;
  std::string problem;                    ///< why it cannot be loaded; empty for a good one
  std::vector<StoredVariable> variables;  ///< in the order in which they were written
};

/// The weights in a `.weights.h5`, a `.weights.json` with its shards, or a `.keras` archive, as the
/// files have them: no model is needed to look at them.
class StoredWeights {
 public:
  /// Reads the metadata of all files. Throws FileNotFoundError, FormatError and ValueError as
  /// loading them would, but for what is wrong with single groups and datasets: see
  /// `require_sound`.
  explicit StoredWeights(const std::filesystem::path& path);

  /// In the order in which they were written.
  [[nodiscard]] const std::vector<StoredGroup>& groups() const noexcept { return groups_; }
  /// Names of the HDF5 files, without directory; the index is not one of them.
  [[nodiscard]] const std::vector<std::string>& files() const noexcept { return files_; }
  [[nodiscard]] bool sharded() const noexcept { return sharded_; }
  [[nodiscard]] std::size_t variable_count() const noexcept;
  [[nodiscard]] std::uint64_t nbytes() const noexcept;
  /// Throws FormatError naming the first group or dataset that cannot be loaded, if there is one.
  void require_sound() const;
  /// Throws CorruptionError for sealed files that are not as they were saved, as far as that shows
  /// before a tensor is read; `read` then looks at the tensors' checksums.
  void require_as_saved();
  /// Throws FormatError for a type that has no counterpart among Lamina's dtypes, CorruptionError.
  [[nodiscard]] Tensor read(const StoredGroup& group, const StoredVariable& variable) const;

 private:
  void add_file(const std::string& name, h5::Reader opened);

  std::filesystem::path path_;
  std::vector<StoredGroup> groups_;
  std::vector<std::string> files_;
  std::vector<h5::Reader> readers_;
  std::vector<std::optional<checkpoint::SealedFile>> seals_;  ///< by file, once looked at
  bool sharded_ = false;
  std::optional<checkpoint::IndexSeal> index_seal_;
};

}  // namespace lamina::cli

#pragma once
#include <filesystem>
#include <optional>
#include <unordered_map>

#include "checkpoint/index/index_seal.h"
#include "checkpoint/load/catalog.h"
#include "checkpoint/seal/sealed_file.h"

namespace lamina::checkpoint {

/// A file's seal, when all but the tensors' bytes is as it was saved, and for a shard of `index`,
/// when it belongs to that; nothing for a file that was not sealed. Throws CorruptionError.
[[nodiscard]] std::optional<SealedFile> require_as_saved(const h5::Reader& file,
                                                         const std::filesystem::path* index,
                                                         const std::optional<IndexSeal>& seal);

/// The seals of a checkpoint's files, of which all but the tensors' bytes has been verified.
class Seals {
 public:
  /// Of files that nobody asks about.
  Seals() = default;
  /// Throws CorruptionError for damaged metadata and for files of several saves.
  explicit Seals(const Catalog& catalog);

  /// What the dataset's bytes should give; nothing in a file without seal.
  [[nodiscard]] std::optional<std::uint32_t> checksum(const CatalogItem& item) const;

 private:
  std::unordered_map<const h5::Reader*, SealedFile> files_;
};

}  // namespace lamina::checkpoint

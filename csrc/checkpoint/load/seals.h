#pragma once
#include <filesystem>
#include <optional>
#include <unordered_map>

#include "checkpoint/index/index_seal.h"
#include "checkpoint/load/catalog.h"
#include "checkpoint/seal/sealed_file.h"

namespace lamina::checkpoint {

/// Throws CorruptionError for an index whose text is not the one that was saved.
void verify_index(const std::filesystem::path& index, const std::optional<IndexSeal>& seal);

/// Throws CorruptionError for a shard that belongs to another save than the index, or that has
/// another shard's name.
void verify_membership(const std::filesystem::path& index, const std::optional<IndexSeal>& seal,
                       const h5::Reader& shard, const std::optional<SealedFile>& sealed);

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

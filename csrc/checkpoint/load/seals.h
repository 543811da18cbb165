#pragma once
#include <optional>
#include <unordered_map>

#include "checkpoint/load/catalog.h"
#include "checkpoint/seal/sealed_file.h"

namespace lamina::checkpoint {

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

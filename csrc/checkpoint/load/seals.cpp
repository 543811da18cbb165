#include "checkpoint/load/seals.h"

#include "checkpoint/transfer/parallel.h"

namespace lamina::checkpoint {

std::optional<SealedFile> require_as_saved(const h5::Reader& file,
                                           const std::filesystem::path* index,
                                           const std::optional<IndexSeal>& seal) {
  std::optional<SealedFile> sealed = read_sealed_file(file);
  if (sealed) verify_rest(*sealed, file);
  if (index != nullptr) verify_membership(*index, seal, file, sealed);
  return sealed;
}

Seals::Seals(const Catalog& catalog) {
  const std::vector<h5::Reader>& readers = catalog.readers();
  std::vector<std::optional<SealedFile>> files(readers.size());
  const std::filesystem::path* index = catalog.sharded() ? &catalog.path() : nullptr;
  parallel_for(readers.size(), io_threads(), [&](std::size_t i) {
    files[i] = require_as_saved(readers[i], index, catalog.index_seal());
  });
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (files[i]) files_.emplace(&readers[i], std::move(*files[i]));
  }
}

std::optional<std::uint32_t> Seals::checksum(const CatalogItem& item) const {
  const auto file = files_.find(item.reader);
  return file == files_.end() ? std::nullopt : checksum_of(file->second, *item.dataset);
}

}  // namespace lamina::checkpoint

#include "checkpoint/load/seals.h"

#include "checkpoint/transfer/parallel.h"

namespace lamina::checkpoint {

Seals::Seals(const Catalog& catalog) {
  const std::vector<h5::Reader>& readers = catalog.readers();
  std::vector<std::optional<SealedFile>> files(readers.size());
  parallel_for(readers.size(), io_threads(), [&](std::size_t i) {
    files[i] = read_sealed_file(readers[i]);
    if (files[i]) verify_rest(*files[i], readers[i]);
    if (catalog.sharded()) {
      verify_membership(catalog.path(), catalog.index_seal(), readers[i], files[i]);
    }
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

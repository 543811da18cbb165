#include "checkpoint/load/seals.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include "checkpoint/names/paths.h"
#include "checkpoint/transfer/parallel.h"

namespace lamina::checkpoint {

void verify_index(const std::filesystem::path& index, const std::optional<IndexSeal>& seal) {
  if (!seal || seal->stated == seal->found) return;
  throw CorruptionError(
      fmt::format("The index '{}' is damaged: it has the CRC-32C {:08x} where "
                  "{:08x} was saved.",
                  index.string(), seal->found, seal->stated));
}

void verify_membership(const std::filesystem::path& index, const std::optional<IndexSeal>& seal,
                       const h5::Reader& shard, const std::optional<SealedFile>& sealed) {
  const auto name = shard.file().path().string();
  if (!seal && !sealed) return;
  if (!seal) {
    throw CorruptionError(
        fmt::format("The index '{}' is not sealed, and its shard '{}' is: the index belongs to "
                    "another save, or is damaged.",
                    index.string(), name));
  }
  if (!sealed) {
    throw CorruptionError(
        fmt::format("'{}' is not sealed, and the index '{}' is: the shard belongs to another save, "
                    "or is damaged.",
                    name, index.string()));
  }
  if (sealed->seal.save != seal->save) {
    throw CorruptionError(
        fmt::format("'{}' belongs to the save {}, and the index '{}' to the save "
                    "{}.",
                    name, hex(sealed->seal.save), index.string(), hex(seal->save)));
  }
  if (!name.ends_with(shard_name("", sealed->seal.shard))) {
    throw CorruptionError(fmt::format("'{}' holds shard {} of {}, which has another name.", name,
                                      sealed->seal.shard, sealed->seal.shards));
  }
}

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

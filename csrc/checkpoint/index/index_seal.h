#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "checkpoint/index/index.h"
#include "checkpoint/seal/seal.h"
#include "checkpoint/seal/sealed_file.h"
#include "h5/read/reader.h"

namespace lamina::checkpoint {

/// The index's text with the save's id and a checksum of the text in its `metadata`, which Keras
/// does not look at.
[[nodiscard]] std::string sealed_index_text(const Index& index, const SaveId& save);

struct IndexSeal {
  SaveId save{};
  std::uint32_t stated = 0, found = 0;  ///< CRC-32C of the text with zeros for the digits of itself
};

/// What an index says of itself; nothing for one that is not sealed, or no more to be told from
/// such a one. The shards' seals tell these two apart.
[[nodiscard]] std::optional<IndexSeal> find_index_seal(std::string_view text);

/// Throws CorruptionError for an index whose text is not the one that was saved.
void verify_index(const std::filesystem::path& index, const std::optional<IndexSeal>& seal);

/// Throws CorruptionError for a shard that belongs to another save than the index, or that has
/// another shard's name.
void verify_membership(const std::filesystem::path& index, const std::optional<IndexSeal>& seal,
                       const h5::Reader& shard, const std::optional<SealedFile>& sealed);

}  // namespace lamina::checkpoint

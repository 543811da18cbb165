#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "h5/write/layout.h"

namespace lamina::checkpoint {

/// Tells one save from all others.
using SaveId = std::array<std::byte, 16>;

[[nodiscard]] SaveId make_save_id();
/// 32 hexadecimal digits.
[[nodiscard]] std::string hex(const SaveId& id);

/// What a file says of itself (FORMAT.md): the save and the shard that it is, and the CRC-32C of
/// every byte in it.
struct Seal {
  SaveId save{};
  std::uint32_t shard = 0, shards = 1;
  std::vector<std::uint32_t> tensors =
      {};                  ///< in the order of their offsets; those of no bytes not
  std::uint32_t rest = 0;  ///< of all bytes that are neither a tensor's nor the seal's
};

/// Where the seal's datasets lie, and the text with which a sealed file ends: who finds one of the
/// two without the other has a damaged file.
inline constexpr const char* kSealGroup = "/lamina/seal";
inline constexpr const char* kSealKeys[] = {"save", "shard", "crc32c"};
[[nodiscard]] std::span<const std::byte> seal_mark();

/// The group, for a file of so many tensors.
[[nodiscard]] h5::LayoutGroup seal_group(std::size_t tensors);

/// The values of its datasets; the last one ends with a checksum of them all.
using SealDatasets = std::array<std::vector<std::byte>, std::size(kSealKeys)>;
[[nodiscard]] SealDatasets to_datasets(const Seal& seal);
/// Takes sizes that `seal_group` gives. False: the checksum is another.
[[nodiscard]] bool from_datasets(const SealDatasets& datasets, Seal& seal);

}  // namespace lamina::checkpoint

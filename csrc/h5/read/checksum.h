#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace lamina::h5 {

/// HDF5's checksum of metadata: Bob Jenkins's lookup3, started at 0.
[[nodiscard]] std::uint32_t metadata_checksum(std::span<const std::byte> bytes);

/// HDF5's checksum of chunks: Fletcher's, over big-endian 16-bit words.
[[nodiscard]] std::uint32_t fletcher32(std::span<const std::byte> bytes);

/// The block without its last four bytes, which are its checksum. Throws Malformed, naming `what`,
/// when they are not.
[[nodiscard]] std::span<const std::byte> verified(std::span<const std::byte> block,
                                                  const char* what);

}  // namespace lamina::h5

#pragma once
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/seal/file_gaps.h"
#include "checkpoint/seal/seal.h"
#include "h5/read/reader.h"

namespace lamina::checkpoint {

struct SealedTensor {
  FileRange place;  ///< counts from the reader's base
  std::string path;
  std::uint32_t crc32c;
};

/// A file's seal beside what it speaks of.
struct SealedFile {
  Seal seal;
  std::vector<SealedTensor> tensors;  ///< by offset
  std::vector<FileRange> rest;        ///< what lies around them, the seal excepted
};

/// Nothing for a file that was not sealed. Reads the seal, of which each bit has been verified, and
/// no tensor. Throws CorruptionError for a seal that is damaged or does not fit the file,
/// FormatError for metadata in which nothing can be found.
[[nodiscard]] std::optional<SealedFile> read_sealed_file(const h5::Reader& reader);

/// Throws CorruptionError when the bytes around the tensors are not those that were saved.
void verify_rest(const SealedFile& sealed, const h5::Reader& reader);

/// What a dataset's bytes should give.
[[nodiscard]] std::optional<std::uint32_t> checksum_of(const SealedFile& sealed,
                                                       const h5::Dataset& dataset);

/// Throws CorruptionError when the dataset's bytes are others than were saved.
void verify_tensor(const SealedFile& sealed, const h5::Reader& reader, const h5::Dataset& dataset,
                   std::span<const std::byte> bytes);

/// The words for a tensor whose bytes have another checksum.
[[nodiscard]] std::string damaged_tensor(const h5::Reader& reader, const std::string& path,
                                         std::uint32_t expected, std::uint32_t found);

}  // namespace lamina::checkpoint

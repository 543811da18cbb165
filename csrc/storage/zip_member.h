#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "storage/storage.h"

namespace lamina::storage {

/// Bytes of an archive's member: a window of a file.
struct ZipMember {
  std::shared_ptr<const ReadableFile> file;
  std::uint64_t base = 0;
  std::uint64_t size = 0;
  std::uint32_t crc = 0;  ///< CRC-32 of the bytes, as the archive has it
};

/// Finds a member of a ZIP archive that nobody vouches for. A stored member is a window of the
/// archive itself, whose checksum nobody has looked at; a deflated one is inflated into memory and
/// its checksum compared. Throws FormatError naming the archive: for what is no archive, for a
/// missing, encrypted or otherwise compressed member, and for one that would grow beyond all
/// measure or has more than `limit` bytes.
[[nodiscard]] ZipMember open_member(std::shared_ptr<const ReadableFile> archive,
                                    const std::string& name, std::uint64_t limit = UINT64_MAX);

/// The bytes of a member that is a text, after their checksum was compared. Throws as `open_member`
/// does, and FormatError for other bytes than those of the checksum.
[[nodiscard]] std::string read_member(const std::shared_ptr<const ReadableFile>& archive,
                                      const std::string& name, std::uint64_t limit);

}  // namespace lamina::storage

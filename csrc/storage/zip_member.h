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
};

/// Finds a member of a ZIP archive that nobody vouches for. A stored member is a window of the
/// archive itself; a deflated one is inflated into memory and its checksum compared. Throws
/// FormatError naming the archive: for what is no archive, for a missing, encrypted or otherwise
/// compressed member, and for one that would grow beyond all measure or has more than `limit`
/// bytes.
[[nodiscard]] ZipMember open_member(std::shared_ptr<const ReadableFile> archive,
                                    const std::string& name, std::uint64_t limit = UINT64_MAX);

}  // namespace lamina::storage

#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "storage/storage.h"

namespace lamina::storage {

/// A member of an archive that lies in memory.
struct ZipText {
  std::string name;
  std::string text;
};

/// A file that becomes the last member of a new ZIP archive, stored as it is: whoever writes it
/// knows nothing of the archive. Its first byte comes to lie at a multiple of 4096, so that what is
/// aligned in it is aligned in the archive. Its length, given by `resize` before the first write,
/// is final.
class ZipMemberWriter final : public WritableFile {
 public:
  /// `archive` is empty as yet; `texts` come before the member. `storage` opens the archive again
  /// to read what was written, as a member's checksum, a CRC-32, stands beside it.
  ZipMemberWriter(std::unique_ptr<WritableFile> archive, std::vector<ZipText> texts,
                  std::string name, Storage& storage);

  [[nodiscard]] const Path& path() const override { return archive_->path(); }
  void resize(std::uint64_t size) override;
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override;
  /// Reads the member, and completes and syncs the archive. Throws StorageError, and FormatError
  /// when the archive has become shorter.
  void sync() override;
  void close() override { archive_->close(); }

 private:
  struct Frame;
  std::unique_ptr<WritableFile> archive_;
  Storage& storage_;
  const std::vector<ZipText> texts_;
  const std::string name_;
  std::uint64_t base_ = 0;  // of the member's first byte
  std::uint64_t size_ = 0;
};

}  // namespace lamina::storage

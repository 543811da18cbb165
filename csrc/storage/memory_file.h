#pragma once
#include <lamina/error.h>

#include <algorithm>
#include <utility>

#include "storage/storage.h"

namespace lamina::storage {

/// Bytes in memory under the name of a file.
class MemoryFile final : public ReadableFile {
 public:
  MemoryFile(Path path, std::vector<std::byte> bytes)
      : path_(std::move(path)), bytes_(std::move(bytes)) {}

  [[nodiscard]] const Path& path() const override { return path_; }
  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
  [[nodiscard]] bool is_replaced() const override { return false; }
  void read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (offset > bytes_.size() || out.size() > bytes_.size() - offset) {
      throw FormatError(path_.string() + ": the file ends before byte " +
                        std::to_string(offset + out.size()) + ".");
    }
    std::copy_n(bytes_.data() + offset, out.size(), out.data());
  }

 private:
  Path path_;
  std::vector<std::byte> bytes_;
};

}  // namespace lamina::storage

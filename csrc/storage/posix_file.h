#pragma once
#include <sys/stat.h>

#include <atomic>
#include <mutex>

#include "storage/posix_call.h"
#include "storage/posix_direct.h"
#include "storage/storage.h"

namespace lamina::storage {

/// Reads from the page cache what is there, and past it (O_DIRECT) what is large, aligned and not
/// there: the way through the cache is about half as fast, and pushes out what others have in it.
class PosixReadableFile final : public ReadableFile {
 public:
  explicit PosixReadableFile(Path path);
  [[nodiscard]] const Path& path() const override { return path_; }
  [[nodiscard]] std::uint64_t size() const override { return size_; }
  void read_at(std::uint64_t offset, std::span<std::byte> out) const override;
  [[nodiscard]] bool is_replaced() const override;
  void read_and_show(std::uint64_t offset, std::span<std::byte> out,
                     const Seen& seen) const override;

 private:
  [[nodiscard]] bool is_cached(std::uint64_t offset, std::uint64_t size) const;
  /// Opens the file once more for reads past the cache, at the first that wants that: a checkpoint
  /// of many shards has twice the descriptors otherwise. False where that way is not open.
  [[nodiscard]] bool open_direct() const;
  /// Reads past the cache what is worth it. Returns how many bytes that were: fewer than asked for
  /// where that way is not open.
  std::size_t read_past_cache(std::uint64_t offset, std::span<std::byte> out) const;
  std::size_t read_direct(std::uint64_t offset, std::span<std::byte> out) const;
  void read_cached(std::uint64_t offset, std::span<std::byte> out) const;

  Path path_;
  Descriptor fd_;
  mutable std::once_flag direct_once_;
  mutable Descriptor direct_;
  mutable DirectRules direct_rules_;
  mutable std::atomic<bool> direct_usable_ = false;
  std::uint64_t size_ = 0;
  struct stat opened_ {};
};

/// Writes through the page cache, and past it (O_DIRECT) what is large and aligned: the copy into
/// the cache and the flush out of it cost more than the write itself.
class PosixWritableFile final : public WritableFile {
 public:
  explicit PosixWritableFile(Path path);
  [[nodiscard]] const Path& path() const override { return path_; }
  void resize(std::uint64_t size) override;
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override;
  void sync() override;
  void close() override;

 private:
  void write_all(int fd, std::uint64_t offset, std::span<const std::byte> bytes);
  bool try_direct(std::uint64_t offset, std::span<const std::byte> bytes);

  Path path_;
  Descriptor fd_;
  Descriptor direct_;
  DirectRules direct_rules_;
  std::atomic<bool> direct_usable_ = false;
};

}  // namespace lamina::storage

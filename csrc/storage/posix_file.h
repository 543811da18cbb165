#pragma once
#include <sys/stat.h>

#include <atomic>
#include <mutex>
#include <optional>

#include "storage/posix_call.h"
#include "storage/posix_direct.h"
#include "storage/storage.h"

namespace lamina::storage {

/// One of the files that are held open for reading: a quarter of those that the process may have
/// open at most, as each may be opened a second time, past the page cache. A checkpoint may have
/// more shards than that.
class HeldOpen {
 public:
  HeldOpen() noexcept;
  ~HeldOpen();
  HeldOpen(const HeldOpen&) = delete;
  HeldOpen& operator=(const HeldOpen&) = delete;
  /// False where there are as many already.
  explicit operator bool() const noexcept { return counted_; }

 private:
  bool counted_ = false;
};

/// Reads from the page cache what is there, and past it (O_DIRECT) what is large, aligned and not
/// there: the way through the cache is about half as fast, and pushes out what others have in it.
/// Where too many files are held open, opens it for each read, which fails with ESTALE when another
/// file is in its place.
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
  /// The file, opened past the cache.
  struct Direct {
    Descriptor fd;
    DirectRules rules;
  };

  /// Opens a file that is not held. Throws StorageError (ESTALE).
  [[nodiscard]] Descriptor opened_again() const;
  [[nodiscard]] bool is_cached(int fd, std::uint64_t offset, std::uint64_t size) const;
  /// Nothing where that way is not open.
  [[nodiscard]] std::optional<Direct> open_past_cache() const;
  /// Reads past the cache what is worth it. Returns how many bytes that were: fewer than asked for
  /// where that way is not open.
  std::size_t read_past_cache(int fd, std::uint64_t offset, std::span<std::byte> out) const;
  std::size_t read_direct(const Direct& direct, std::uint64_t offset,
                          std::span<std::byte> out) const;
  void read_cached(int fd, std::uint64_t offset, std::span<std::byte> out) const;

  Path path_;
  HeldOpen held_;
  Descriptor fd_;  // where it is held
  // At the first read that wants it: a checkpoint of many shards has twice the descriptors
  // otherwise.
  mutable std::once_flag direct_once_;
  mutable std::optional<Direct> direct_;
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
